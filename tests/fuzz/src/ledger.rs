//! A ledger entry or its stage reads as what it says or is refused.

use bus::machine::LedgerEntry;
use sampler::control::Control;
use sampler::shard::StageEntry;

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(entry) = LedgerEntry::decode(bytes) {
        assert!(
            *entry.encode() == *bytes,
            "an entry that says something else"
        );
        check_stage(&entry.stage);
    }
    check_stage(bytes);
    if let Ok(Control::Policy { revision, text }) = Control::decode(bytes) {
        std::hint::black_box(sampler::Policy::parse(revision, text, 2).is_ok());
    }
}

fn check_stage(bytes: &[u8]) {
    if let Ok(stage) = StageEntry::decode(bytes) {
        let again = StageEntry::decode(&stage.encode()).map(|again| again.encode());
        assert_eq!(
            again,
            Ok(stage.encode()),
            "a stage that says something else"
        );
    }
}
