//! Upper case, line by line, as anybody would write it; some lines misbehave, and one argument is put in front.

use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let prefix = std::env::args().nth(1).unwrap_or_default() + &std::env::var("MARK").unwrap_or_default();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.as_str() {
            "panic" => panic!("asked to"),
            "exit" => std::process::exit(3),
            "loop" => loop {
                std::hint::black_box(0);
            },
            "drop" => writeln!(out, "\\drop")?,
            "refuse" => writeln!(out, "\\reject refused this one not")?,
            _ => writeln!(out, "{prefix}{}", line.to_uppercase())?,
        }
    }
    Ok(())
}
