//! The scripts, one test each.

use super::script::check;

macro_rules! script {
    ($name:ident) => {
        #[test]
        fn $name() {
            let script = include_str!(concat!("scripts/", stringify!($name), ".test"));
            check(stringify!($name), script);
        }
    };
}

script!(aggregations);
script!(at_and_subqueries);
script!(classic_histograms);
script!(features);
script!(functions);
script!(labels);
script!(matching);
script!(native_histograms);
script!(ranges);
script!(staleness);
