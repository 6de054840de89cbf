//! The simulated shop: its services, where they run, what they offer and whom they call. Tables only.

/// One service of the shop.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) language: &'static str,
    /// Routes it serves: method and route.
    pub(crate) routes: &'static [(&'static str, &'static str)],
    /// Indexes into [`SERVICES`] of those it calls; always later ones, so a call never comes back.
    pub(crate) calls: &'static [usize],
    /// Database it asks, with the tables it reads there.
    pub(crate) database: Option<Database>,
    /// Functions that it traces inside.
    pub(crate) functions: &'static [&'static str],
}

/// A database as a client span names it.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) system: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) tables: &'static [&'static str],
}

/// Running copies of each service.
pub(crate) const INSTANCES: usize = 3;

/// Where every trace begins.
pub(crate) const ENTRY: usize = 0;

pub(crate) const SERVICES: &[Service] = &[
    Service {
        name: "frontend",
        language: "nodejs",
        routes: &[
            ("GET", "/"),
            ("GET", "/product/{id}"),
            ("POST", "/cart"),
            ("GET", "/cart"),
            ("POST", "/cart/checkout"),
        ],
        calls: &[1, 2, 3, 4, 5, 8],
        database: None,
        functions: &[
            "renderPage",
            "loadSession",
            "buildViewModel",
            "resolveLocale",
        ],
    },
    Service {
        name: "checkout",
        language: "go",
        routes: &[("POST", "/v1/orders"), ("GET", "/v1/orders/{id}")],
        calls: &[2, 3, 6, 7, 8, 9],
        database: Some(Database {
            system: "postgresql",
            namespace: "orders",
            tables: &["orders", "order_lines", "outbox"],
        }),
        functions: &["prepareOrder", "validateAddress", "quoteShipping"],
    },
    Service {
        name: "cart",
        language: "dotnet",
        routes: &[
            ("GET", "/v1/carts/{user}"),
            ("PUT", "/v1/carts/{user}/items"),
            ("DELETE", "/v1/carts/{user}"),
        ],
        calls: &[3],
        database: Some(Database {
            system: "redis",
            namespace: "0",
            tables: &["cart", "session"],
        }),
        functions: &["CartStore.Load", "CartStore.Save"],
    },
    Service {
        name: "catalog",
        language: "go",
        routes: &[
            ("GET", "/v1/products"),
            ("GET", "/v1/products/{id}"),
            ("GET", "/v1/search"),
        ],
        calls: &[],
        database: Some(Database {
            system: "postgresql",
            namespace: "catalog",
            tables: &["products", "prices", "categories", "stock"],
        }),
        functions: &["rankResults", "applyPriceRules", "decodeImageRefs"],
    },
    Service {
        name: "recommendation",
        language: "python",
        routes: &[("GET", "/v1/recommendations")],
        calls: &[],
        database: Some(Database {
            system: "redis",
            namespace: "1",
            tables: &["features", "neighbours"],
        }),
        functions: &["score_candidates", "load_model", "dedupe"],
    },
    Service {
        name: "ad",
        language: "java",
        routes: &[("GET", "/v1/ads")],
        calls: &[],
        database: None,
        functions: &["AdSelector.select", "Campaigns.active"],
    },
    Service {
        name: "payment",
        language: "nodejs",
        routes: &[("POST", "/v1/charges"), ("POST", "/v1/refunds")],
        calls: &[9],
        database: Some(Database {
            system: "postgresql",
            namespace: "payments",
            tables: &["charges", "ledger"],
        }),
        functions: &["verifyCard", "signRequest", "riskScore"],
    },
    Service {
        name: "shipping",
        language: "rust",
        routes: &[("POST", "/v1/quotes"), ("POST", "/v1/shipments")],
        calls: &[],
        database: Some(Database {
            system: "mysql",
            namespace: "shipping",
            tables: &["shipments", "carriers"],
        }),
        functions: &["quote::from_items", "carrier::choose"],
    },
    Service {
        name: "currency",
        language: "cpp",
        routes: &[("GET", "/v1/rates"), ("POST", "/v1/convert")],
        calls: &[],
        database: None,
        functions: &["Convert", "RoundHalfEven"],
    },
    Service {
        name: "email",
        language: "ruby",
        routes: &[("POST", "/v1/messages")],
        calls: &[],
        database: Some(Database {
            system: "mysql",
            namespace: "mail",
            tables: &["templates", "deliveries"],
        }),
        functions: &["Template#render", "Mailer#deliver"],
    },
];

pub(crate) const USER_AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/139.0.0.0",
    "ShopApp/7.4.1 (Android 15; Pixel 9)",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_only_go_to_later_services_so_traces_end() {
        for (i, service) in SERVICES.iter().enumerate() {
            assert!(!service.routes.is_empty() && !service.functions.is_empty());
            assert!(
                service
                    .calls
                    .iter()
                    .all(|&callee| callee > i && callee < SERVICES.len()),
                "{}",
                service.name
            );
        }
    }
}
