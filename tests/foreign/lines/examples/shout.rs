//! Upper case, line by line, as anybody would write it; some lines misbehave, and one argument is put in front.

use std::io::{BufRead, Read, Write};

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
            "hog" => {
                let mut all = Vec::new();
                loop {
                    all.push(std::hint::black_box(vec![1u8; 1 << 20]));
                }
            }
            "flood" => loop {
                out.write_all(&[b'x'; 4096])?;
            },
            "murmur" => loop {
                eprintln!("for the log");
            },
            "twice" => writeln!(out, "{line}\n{line}")?,
            "wrong" => writeln!(out, "\\nonsense")?,
            "bytes" => out.write_all(b"\xff\x00\xfe\n")?,
            "drop" => writeln!(out, "\\drop")?,
            "refuse" => writeln!(out, "\\reject refused this one not")?,
            _ => writeln!(out, "{prefix}{}", line.to_uppercase())?,
        }
    }
    // at its end input stays
    let more = std::io::stdin().read(&mut [0; 10])?;
    assert_eq!(more, 0);
    Ok(())
}
