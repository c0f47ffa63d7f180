//! Reads a whole file: its syntax, its top level, and then each pipeline.

use super::reader::{Item, Place, Reader, Section};
use super::report::{Problem, Report, Severity};
use super::{Config, LogFormat, Surroundings, across, clients, pipeline, registry, secret};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

const TOP: [&str; 9] =
    ["modules", "state", "host", "grace", "unreachable_after", "log", "admin", "schema-registry", "pipelines"];

const EXAMPLE: &str = "a small one is:
[pipelines.flights.source]
brokers = \"localhost:9092\"
topics = [\"flights\"]
group = \"edgemill-flights\"

[pipelines.flights.sink]
type = \"stdout\"";

/// See [`Config::parse`].
pub(super) fn parse(
    name: &str,
    text: &str,
    base: &Path,
    surroundings: &dyn Surroundings,
) -> Result<(Config, Report), Report> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // a table that was read in spite of errors would give more of them, which are none
        let problems = errors.iter().map(|error| syntax(error, text)).collect();
        let problems = first_of_runs(of_open_list(problems), text);
        return Err(Report::new(name, text, &secret::spans_by_line(text), problems));
    }
    let secrets = secret::spans(table.get_ref());
    let reader = Reader { surroundings, base, problems: RefCell::default(), places: RefCell::default() };
    let place = Place { path: String::new(), span: 0..0 };
    let section = Section { reader: &reader, table: table.get_ref(), place };
    let config = Config { file: base.join(Path::new(name).file_name().unwrap_or_default()), ..top(&section) };
    let report =
        Report::new(name, text, &secrets, reader.problems.into_inner()).with_places(reader.places.into_inner());
    if report.has_errors() { Err(report) } else { Ok((config, report)) }
}

/// Leaves out what the parser says of everything behind a list that has no end: it takes keys and tables for its elements.
fn of_open_list(mut problems: Vec<Problem>) -> Vec<Problem> {
    let in_list = |problem: &Problem| problem.message.contains("array");
    if problems.iter().any(|problem| in_list(problem) && problem.message.contains("unexpected `=`"))
        && let Some(first) = problems.iter().position(in_list)
    {
        problems.truncate(first + 1);
        problems[first].help = vec!["the list in front of it has no `]` at its end".to_owned()];
    }
    problems
}

/// Leaves out what the parser says again of the lines that follow: they are right, and only their beginning is wrong.
fn first_of_runs(problems: Vec<Problem>, text: &str) -> Vec<Problem> {
    let line = |problem: &Problem| {
        let start = problem.span.as_ref().map_or(0, |span| span.start.min(text.len()));
        text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count()
    };
    let mut last: Option<(String, usize)> = None;
    let mut kept = problems;
    kept.retain(|problem| {
        let here = (problem.message.clone(), line(problem));
        let repeats = last.as_ref().is_some_and(|(message, line)| *message == here.0 && *line + 1 == here.1);
        last = Some(here);
        !repeats
    });
    kept
}

fn syntax(error: &toml::de::Error, text: &str) -> Problem {
    let message = error.message().to_owned();
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.get(..start).and_then(|before| text[before.rfind('\n').map_or(0, |at| at + 1)..].lines().next());
    let yaml = line.is_some_and(|line| !line.contains('=') && (line.trim_end().ends_with(':') || line.contains(": ")));
    let help = match message.as_str() {
        _ if yaml => {
            "this looks like YAML; the file is TOML: `[pipelines.flights.source]`, and below it `topics = [\"flights\"]`"
        }
        message if message.contains("duplicate key") => "a key, and a table in single brackets, stands once",
        message if message.contains("quoted") || message.contains("string") => {
            "strings stand in quotes: `topics = [\"flights\"]`"
        }
        message if message.contains("extra") || message.contains("newline") => {
            "one key a line; strings stand in quotes"
        }
        _ => "the file is TOML: https://toml.io",
    };
    Problem { severity: Severity::Error, path: String::new(), span: error.span(), message, help: vec![help.to_owned()] }
}

fn top(section: &Section<'_>) -> Config {
    let reader = section.reader;
    section.only(&TOP, hint);
    let folder = |key: &str, default: &str| {
        let path = section.get(key).and_then(|item| item.text()).map_or(default.to_owned(), |text| text.value);
        reader.base.join(path)
    };
    let modules = folder("modules", "modules");
    let mut config = Config {
        file: PathBuf::new(),
        state: state(section).unwrap_or_else(|| folder("state", "state")),
        host: host(section),
        admin: admin(section),
        registry: registry::registry(section),
        grace: section.get("grace").and_then(|item| item.duration(Duration::ZERO)).unwrap_or(Duration::from_secs(20)),
        log: section
            .get("log")
            .and_then(|item| item.word(&[("text", LogFormat::Text), ("json", LogFormat::Json)]))
            .unwrap_or(LogFormat::Text),
        pipelines: Vec::new(),
        modules,
    };
    let unreachable = match section.get("unreachable_after") {
        None => Some(Duration::from_secs(60)),
        Some(item) if item.is("never") => None,
        Some(item) => item.duration(Duration::ZERO),
    };
    let pipelines = match section.get("pipelines") {
        Some(item) => item.section("write `[pipelines.NAME.source]` and `[pipelines.NAME.sink]`"),
        None => {
            section.need("pipelines", "no pipeline", EXAMPLE);
            None
        }
    };
    let Some(pipelines) = pipelines else {
        return config;
    };
    if pipelines.items().is_empty() {
        reader.error(&pipelines.place, "no pipeline", &[EXAMPLE]);
    }
    let files = read_folder(section, &config.modules, &pipelines);
    let drafts: Vec<_> = pipelines
        .items()
        .into_iter()
        .filter_map(|(name, item)| {
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') || name.is_empty() {
                let help = "a pipeline's name has letters, digits, `-` and `_`";
                reader.error(&item.key, format!("`{name}` is not the name of a pipeline"), &[help]);
            }
            if ["source", "sink", "chain", "dead-letter"].contains(&name) {
                let help = format!("a pipeline has a name: write `[pipelines.NAME.{name}]`");
                reader.error(&item.key, format!("`{name}` stands where a pipeline's name belongs"), &[&help]);
                return None;
            }
            let section = item.section("write `[pipelines.NAME.source]` and `[pipelines.NAME.sink]`")?;
            // a pipeline of sub-tables alone has no line of its own: its key's first place is where it begins
            let section = Section { place: item.key.clone(), ..section };
            Some(pipeline::pipeline(name, &section, unreachable, &files))
        })
        .collect();
    across::check(reader, &drafts);
    config.pipelines = drafts.into_iter().map(|draft| draft.pipeline).collect();
    config
}

fn hint(key: &str, item: &Item<'_>) -> Option<String> {
    match key {
        "module" => Some("did you mean `modules`? A chain's module stands below `[[pipelines.NAME.chain]]`".to_owned()),
        _ if super::reader::similar(key, &TOP).is_some() => None,
        _ => clients::hint(key, item),
    }
}

fn state(section: &Section<'_>) -> Option<PathBuf> {
    if section.get("state").is_some() {
        return None;
    }
    let folder = default_state(section.reader.surroundings);
    if folder.is_none() {
        let help = "compiled modules are kept there: add for example `state = \"/var/lib/edgemill\"`";
        section.reader.error(&section.place, "no `state` folder, and HOME is not set", &[help]);
    }
    folder
}

/// The folder for state where the configuration names none: systemd's, XDG's, or in the home folder, where there is one.
pub fn default_state(surroundings: &dyn Surroundings) -> Option<PathBuf> {
    let variable = |name: &str| surroundings.variable(name).filter(|value| !value.is_empty());
    // systemd gives a service its folder in STATE_DIRECTORY, several with colons
    let given = variable("STATE_DIRECTORY").and_then(|folders| folders.split(':').next().map(PathBuf::from));
    let own = || variable("XDG_STATE_HOME").map(|folder| Path::new(&folder).join("edgemill"));
    let home = || variable("HOME").map(|home| Path::new(&home).join(".local/state/edgemill"));
    given.or_else(own).or_else(home)
}

fn host(section: &Section<'_>) -> String {
    let Some(item) = section.get("host") else {
        return section.reader.surroundings.host();
    };
    let Some(text) = item.text() else {
        return String::new();
    };
    if text.value.is_empty() || !text.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        item.wrong(format!("{} is not the name of a host", text.shown()), "write letters, digits, `.`, `-` and `_`");
    }
    text.value
}

fn admin(section: &Section<'_>) -> Option<SocketAddr> {
    const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9690);
    let Some(admin) = section.get("admin") else {
        return Some(USUAL);
    };
    let admin = admin.section("write\n[admin]\nlisten = \"127.0.0.1:9690\"")?;
    admin.only(&["listen"], |key, _| {
        ["port", "address", "bind", "host"].contains(&key).then(|| "write `listen = \"127.0.0.1:9690\"`".to_owned())
    });
    let Some(item) = admin.get("listen") else {
        return Some(USUAL);
    };
    let text = item.text()?;
    if text.value == "off" {
        return None;
    }
    let Ok(address) = text.value.replacen("localhost:", "127.0.0.1:", 1).parse::<SocketAddr>() else {
        let help = "write an address and a port as \"127.0.0.1:9690\", or \"off\"";
        item.wrong(format!("{} is not an address to listen on", text.shown()), help);
        return None;
    };
    if !address.ip().is_loopback() {
        let help = "anyone who reaches this address can read metrics and status; keep it behind a firewall";
        item.reader.warn(&item.place, "the admin address is not the loopback's", &[help]);
    }
    Some(address)
}

/// Looks into the modules folder, where a chain needs it.
fn read_folder(section: &Section<'_>, folder: &Path, pipelines: &Section<'_>) -> pipeline::Folder {
    let chains = pipelines.items().into_iter().find_map(|(_, item)| {
        let (key, chain) = item.value.as_table()?.get_key_value("chain")?;
        chain.get_ref().as_array().filter(|chain| !chain.is_empty())?;
        Some(Place { path: format!("{}.chain", item.place.path), span: key.span() })
    })?;
    match section.reader.surroundings.modules(folder) {
        Ok(files) => Some(files),
        Err(error) => {
            let place = section.get("modules").map_or(chains, |item| item.place);
            let message = format!("cannot read the modules folder {}: {error}", folder.display());
            let help = "make it, or name another with `modules = \"…\"` at the top; it is relative to this file";
            section.reader.add(Severity::Absent, &place, message, &[help]);
            None
        }
    }
}
