//! A line for each word: for a program that is started for each record.

fn main() {
    let text = std::io::read_to_string(std::io::stdin()).expect("text");
    text.split_whitespace().for_each(|word| println!("{word}"));
}
