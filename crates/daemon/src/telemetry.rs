//! Where log lines go and in which form. Everything goes to standard error or to the journal; standard output belongs
//! to the commands. Decides from what the caller saw of its surroundings, then installs one subscriber per process.

use std::io::{self, IsTerminal};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::{Level, Subscriber, warn};
use tracing_subscriber::filter::{FilterFn, ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("`{filter}` is not a log filter; write a level like `info`, or `info,hearth_agent::slots=debug`")]
    Filter {
        filter: String,
        #[source]
        cause: ParseError,
    },
    #[error("telemetry was started twice in one process")]
    Twice {
        #[source]
        cause: TryInitError,
    },
}

/// The section `[log]` of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogFile {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`), or levels by room: `info,hearth_agent::slots=debug`.
    pub filter: String,
    pub format: FormatWord,
}

impl Default for LogFile {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: FormatWord::Auto }
    }
}

/// The form of log lines, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormatWord {
    /// The journal under systemd, human lines elsewhere.
    Auto,
    Human,
    Json,
    Journald,
}

/// What the process sees of where it runs. `identity` are the device and inode of standard error; the binary asks
/// the machine for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The variable `JOURNAL_STREAM`.
    pub journal_stream: Option<String>,
    pub identity: Option<(u64, u64)>,
}

/// The form of log lines, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Human,
    Json,
    Journald,
}

/// Installs the subscriber of this process.
pub fn start(log: &LogFile, surroundings: &Surroundings) -> Result<(), TelemetryError> {
    let filter = parse(&log.filter)?;
    let format = decide(log.format, surroundings);
    let colors = if io::stderr().is_terminal() { Colors::On } else { Colors::Off };
    let twice = |cause| TelemetryError::Twice { cause };
    if format == Format::Journald {
        match tracing_journald::layer() {
            Ok(journal) => {
                let journal = tracing_subscriber::registry().with(filter).with(discretion()).with(journal);
                return journal.try_init().map_err(twice);
            }
            Err(cause) => {
                lines(filter, Format::Human, colors, io::stderr).try_init().map_err(twice)?;
                warn!(
                    error = &cause as &dyn std::error::Error,
                    "the journal does not answer; logging to standard error"
                );
                return Ok(());
            }
        }
    }
    lines(filter, format, colors, io::stderr).try_init().map_err(twice)
}

/// Whether a filter can be used; for `config check`.
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<Targets, TelemetryError> {
    filter.parse().map_err(|cause| TelemetryError::Filter { filter: filter.to_owned(), cause })
}

/// Whatever the filter says: the libraries that sign requests to object stores tell the secrets that they sign with.
fn discretion() -> FilterFn {
    FilterFn::new(|event| *event.level() <= Level::INFO || !event.target().starts_with("reqsign"))
}

/// systemd sets `JOURNAL_STREAM` to the device and inode of the stream it connected. Children inherit the variable
/// but not always the stream, so only a standard error that is this very stream counts.
fn decide(word: FormatWord, surroundings: &Surroundings) -> Format {
    let to_journal = surroundings.identity.is_some_and(|(device, inode)| {
        surroundings.journal_stream.as_deref() == Some(format!("{device}:{inode}").as_str())
    });
    match word {
        FormatWord::Auto if to_journal => Format::Journald,
        FormatWord::Auto | FormatWord::Human => Format::Human,
        FormatWord::Json => Format::Json,
        FormatWord::Journald => Format::Journald,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colors {
    On,
    Off,
}

/// A subscriber that writes lines.
fn lines<W>(filter: Targets, format: Format, colors: Colors, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colors == Colors::On);
    let registry = tracing_subscriber::registry().with(filter).with(discretion());
    match format {
        Format::Json => Box::new(registry.with(layer.json().flatten_event(true))),
        Format::Human | Format::Journald => Box::new(registry.with(layer.with_target(false))),
    }
}

/// A place that tests have their log written to.
#[cfg(test)]
pub(crate) mod page {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    pub(crate) struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        pub(crate) fn writer(&self) -> impl Fn() -> Self + Send + Sync + use<> {
            let page = self.clone();
            move || page.clone()
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().expect("nobody panics while writing")).into_owned()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics while writing").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::{debug, info};

    use super::page::Page;
    use super::*;

    /// Whoever comes to a line first decides for every thread whether it is wanted, until the next listener asks again.
    static ONE_LISTENER: Mutex<()> = Mutex::new(());

    /// What is written for one event at each of two levels.
    fn written(filter: &str, format: Format, colors: Colors) -> String {
        let _alone = ONE_LISTENER.lock();
        let page = Page::default();
        let subscriber = lines(parse(filter).unwrap(), format, colors, page.writer());
        tracing::subscriber::with_default(subscriber, || {
            debug!("a detail");
            debug!(target: "reqsign_core::api", "a secret");
            info!(job.id = 7, "leased warm target");
        });
        page.text()
    }

    #[test]
    fn human_lines_carry_message_and_fields_and_no_colors_off_a_terminal() {
        let line = written("info", Format::Human, Colors::Off);
        assert!(line.contains("INFO leased warm target job.id=7\n"), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(written("info", Format::Human, Colors::On).contains("\u{1b}["));
    }

    #[test]
    fn json_lines_are_objects_with_dotted_fields() {
        let line = written("info", Format::Json, Colors::Off);
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["message"], "leased warm target");
        assert_eq!(event["job.id"], 7);
        assert_eq!(event["level"], "INFO");
    }

    #[test]
    fn a_filter_may_name_rooms() {
        let here = "warn,hearth_daemon::telemetry=debug";
        assert_eq!(written(here, Format::Human, Colors::Off).lines().count(), 2);
        assert_eq!(written("warn", Format::Human, Colors::Off), "");
        for filter in ["trace", "reqsign_core=debug,info", "reqsign_core::api=trace"] {
            assert!(!written(filter, Format::Human, Colors::Off).contains("a secret"), "{filter}");
        }
        let error = check_filter("info,hearth=loud").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`info,hearth=loud` is not a log filter; write a level like `info`, or `info,hearth_agent::slots=debug`"
        );
    }

    #[test]
    fn the_journal_is_used_only_when_standard_error_is_its_stream() {
        let surroundings =
            |stream: Option<&str>, identity| Surroundings { journal_stream: stream.map(str::to_owned), identity };
        for (word, stream, identity, format) in [
            (FormatWord::Auto, None, Some((8, 5)), Format::Human),
            (FormatWord::Auto, Some("8:5"), Some((8, 5)), Format::Journald),
            (FormatWord::Auto, Some("8:5"), Some((8, 6)), Format::Human),
            (FormatWord::Auto, Some("8:5"), None, Format::Human),
            (FormatWord::Json, Some("8:5"), Some((8, 5)), Format::Json),
            (FormatWord::Human, Some("8:5"), Some((8, 5)), Format::Human),
            (FormatWord::Journald, None, None, Format::Journald),
        ] {
            assert_eq!(decide(word, &surroundings(stream, identity)), format, "{word:?} {stream:?} {identity:?}");
        }
    }
}
