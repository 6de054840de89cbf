//! The messages of OTLP as tables: which JSON name is which protobuf field, and what a checker must know of it.

mod metrics;
mod remote_write;

pub(super) use metrics::METRICS_DATA;
pub(super) use remote_write::WRITE_REQUEST;

/// A message by its fields.
pub(super) type Message = &'static [Field];

pub(super) struct Field {
    /// lowerCamelCase, the only spelling that JSON has.
    pub(super) name: &'static str,
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) role: Role,
    /// Of a message: tells bodies of the usual shape, in which nothing is wrong.
    pub(super) is_usual: Option<fn(&[u8]) -> bool>,
}

/// How a field is written in JSON and on the wire.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Texts,
    /// Hex digits.
    Id,
    /// Base64.
    Bytes,
    Bool,
    Uint32,
    Sint32,
    Fixed32,
    Fixed64,
    Sfixed64,
    Int64,
    Enum,
    Double,
    /// Repeated numbers, packed or not.
    Uint64s,
    Fixed64s,
    Doubles,
    /// A number on the wire that nobody reads, in JSON nothing.
    Unread,
    One(fn() -> Message),
    Many(fn() -> Message),
}

/// What a field is to those who cut and join.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// One of several of which the last counts. A message has at most one such group.
    OneOf,
    /// Attributes that become labels.
    Labels,
    /// Labels that are the name of a series: none of them can be cut.
    SeriesLabels,
    /// Attributes of what stands around points.
    Attributes,
    Exemplars,
}

const fn field(name: &'static str, number: u64, kind: Kind) -> Field {
    role(name, number, kind, Role::Plain)
}

const fn one_of(name: &'static str, number: u64, kind: Kind) -> Field {
    role(name, number, kind, Role::OneOf)
}

const fn role(name: &'static str, number: u64, kind: Kind, role: Role) -> Field {
    Field {
        name,
        number,
        kind,
        role,
        is_usual: None,
    }
}

const fn attributes(number: u64) -> Field {
    role(
        "attributes",
        number,
        Kind::Many(|| KEY_VALUE),
        Role::Attributes,
    )
}

pub(super) static TRACES_DATA: Message =
    &[field("resourceSpans", 1, Kind::Many(|| RESOURCE_SPANS))];

static RESOURCE_SPANS: Message = &[
    field("resource", 1, Kind::One(|| RESOURCE)),
    field("scopeSpans", 2, Kind::Many(|| SCOPE_SPANS)),
    field("schemaUrl", 3, Kind::Text),
];

static RESOURCE: Message = &[
    attributes(1),
    field("droppedAttributesCount", 2, Kind::Uint32),
    field("entityRefs", 3, Kind::Many(|| ENTITY_REF)),
];

static ENTITY_REF: Message = &[
    field("schemaUrl", 1, Kind::Text),
    field("type", 2, Kind::Text),
    field("idKeys", 3, Kind::Texts),
    field("descriptionKeys", 4, Kind::Texts),
];

static SCOPE_SPANS: Message = &[
    field("scope", 1, Kind::One(|| SCOPE)),
    field("spans", 2, Kind::Many(|| SPAN)),
    field("schemaUrl", 3, Kind::Text),
];

static SCOPE: Message = &[
    field("name", 1, Kind::Text),
    field("version", 2, Kind::Text),
    attributes(3),
    field("droppedAttributesCount", 4, Kind::Uint32),
];

static SPAN: Message = &[
    field("traceId", 1, Kind::Id),
    field("spanId", 2, Kind::Id),
    field("traceState", 3, Kind::Text),
    field("parentSpanId", 4, Kind::Id),
    field("flags", 16, Kind::Fixed32),
    field("name", 5, Kind::Text),
    field("kind", 6, Kind::Enum),
    field("startTimeUnixNano", 7, Kind::Fixed64),
    field("endTimeUnixNano", 8, Kind::Fixed64),
    field("attributes", 9, Kind::Many(|| KEY_VALUE)),
    field("droppedAttributesCount", 10, Kind::Uint32),
    field("events", 11, Kind::Many(|| EVENT)),
    field("droppedEventsCount", 12, Kind::Uint32),
    field("links", 13, Kind::Many(|| LINK)),
    field("droppedLinksCount", 14, Kind::Uint32),
    field("status", 15, Kind::One(|| STATUS)),
];

static EVENT: Message = &[
    field("timeUnixNano", 1, Kind::Fixed64),
    field("name", 2, Kind::Text),
    field("attributes", 3, Kind::Many(|| KEY_VALUE)),
    field("droppedAttributesCount", 4, Kind::Uint32),
];

static LINK: Message = &[
    field("traceId", 1, Kind::Id),
    field("spanId", 2, Kind::Id),
    field("traceState", 3, Kind::Text),
    field("attributes", 4, Kind::Many(|| KEY_VALUE)),
    field("droppedAttributesCount", 5, Kind::Uint32),
    field("flags", 6, Kind::Fixed32),
];

static STATUS: Message = &[
    field("message", 2, Kind::Text),
    field("code", 3, Kind::Enum),
];

pub(super) static KEY_VALUE: Message = &[
    field("key", 1, Kind::Text),
    field("value", 2, Kind::One(|| ANY_VALUE)),
    field("keyStrindex", 3, Kind::Unread),
];

static ANY_VALUE: Message = &[
    one_of("stringValue", 1, Kind::Text),
    one_of("boolValue", 2, Kind::Bool),
    one_of("intValue", 3, Kind::Int64),
    one_of("doubleValue", 4, Kind::Double),
    one_of("arrayValue", 5, Kind::One(|| ARRAY_VALUE)),
    one_of("kvlistValue", 6, Kind::One(|| KEY_VALUE_LIST)),
    one_of("bytesValue", 7, Kind::Bytes),
    one_of("stringValueStrindex", 8, Kind::Unread),
];

static ARRAY_VALUE: Message = &[field("values", 1, Kind::Many(|| ANY_VALUE))];
static KEY_VALUE_LIST: Message = &[field("values", 1, Kind::Many(|| KEY_VALUE))];
