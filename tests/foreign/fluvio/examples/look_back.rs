//! Keeps what is larger than all before; `look_back` would tell it after a restart what that was.

use fluvio_smartmodule::{smartmodule, Result, SmartModuleRecord};
use std::sync::atomic::{AtomicI64, Ordering};

static LARGEST: AtomicI64 = AtomicI64::new(i64::MIN);

fn number(record: &SmartModuleRecord) -> Result<i64> {
    assert_ne!(record.value().as_ref(), b"panic", "asked to");
    Ok(std::str::from_utf8(record.value().as_ref())?.parse()?)
}

#[smartmodule(look_back)]
pub fn look_back(record: &SmartModuleRecord) -> Result<()> {
    LARGEST.fetch_max(number(record)?, Ordering::Relaxed);
    Ok(())
}

#[smartmodule(filter)]
pub fn filter(record: &SmartModuleRecord) -> Result<bool> {
    let number = number(record)?;
    Ok(number > LARGEST.fetch_max(number, Ordering::Relaxed))
}
