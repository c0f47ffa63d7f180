//! Gives each page view an `_id`, by serde; with `keep`, lets records pass.

use edgemill_guest::{Outputs, Record, Result, Transform, export};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub struct Config {
    keep: bool,
}

#[derive(Deserialize)]
struct View<'a> {
    viewtime: i64,
    userid: &'a str,
    pageid: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    _id: String,
    viewtime: i64,
    userid: &'a str,
    pageid: &'a str,
}

pub struct PageViews(Config);

impl Transform for PageViews {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        Ok(PageViews(config))
    }

    fn transform(&mut self, record: &Record, out: &mut Outputs) -> Result {
        if self.0.keep {
            out.keep();
            return Ok(());
        }
        let Some(View { viewtime, userid, pageid }) = record.json()? else { return Ok(()) };
        out.emit().json(&Row { _id: format!("{userid}|{pageid}|{viewtime}"), viewtime, userid, pageid })?;
        Ok(())
    }
}

export!(PageViews);
