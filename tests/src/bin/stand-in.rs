//! What stands in for FeatureBase in the tests, for trying the examples by hand: takes rows as the Cloud's endpoint and as a server do, and
//! forgets them in the end.

use std::io;

use anyhow::Result;
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD, USERNAME};

fn main() -> Result<()> {
    let featurebase = Featurebase::start(Faults::default())?;
    println!("# for an example's .env");
    println!("FEATUREBASE_ENDPOINT={}", featurebase.endpoint());
    println!("FEATUREBASE_LOGIN_URL={}", featurebase.login_url());
    println!("FEATUREBASE_USERNAME={USERNAME}");
    println!("FEATUREBASE_PASSWORD='{PASSWORD}'");
    println!("FEATUREBASE_URL={}", featurebase.server_url());
    println!("# Enter: how many rows it has, and one of them; Ctrl-C ends it");
    for line in io::stdin().lines() {
        line?;
        let rows = featurebase.rows();
        let one = rows.iter().next().map(|(id, kept)| format!("; {id}: {}", kept.row));
        println!("{} rows{}", rows.len(), one.unwrap_or_default());
    }
    // nobody asks, and it goes on
    loop {
        std::thread::park();
    }
}
