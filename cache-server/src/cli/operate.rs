//! The commands that look at a store and look after it: each is one question to whoever has the store, and a printer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hearth_daemon::secrets::{SecretError, SecretFile, exposure};
use hearth_daemon::terminal::for_terminal;
use hearth_model::Bytes;

use super::print::{self, Style};
use crate::control::{Ask, ControlError, Line, Owner, Piece, Report, Said, Which, receive_piece, send_piece};
use crate::settings::Settings;

/// Read from an archive in one go.
const PIECE: usize = 256 << 10;
/// A person who waits longer is told how far it has come, and so often.
const WORD: Duration = Duration::from_secs(2);
/// Standard input or output.
const STANDARD: &str = "-";

#[derive(Debug, thiserror::Error)]
pub(super) enum OperateError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("cannot read the token in {}", path.display())]
    Token {
        path: PathBuf,
        #[source]
        cause: SecretError,
    },
    #[error("cannot write to standard output")]
    Print(#[source] io::Error),
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the connection to the store broke")]
    Broken(#[source] io::Error),
    #[error("say which objects are meant: --realm, --scope, --key or --prefix")]
    Everything,
    #[error("the store answered something else than was asked")]
    Confused,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum OperateCommand {
    /// Show how the store is: objects, hits, misses, what was saved, what each scope holds
    #[command(after_help = HOW)]
    Stats {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List objects, in no order, as they are read from the log
    #[command(after_help = HOW)]
    Ls {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Read every stored byte and compare it with its checksum
    #[command(after_help = "\
What is damaged is listed and removed, so that the next build stores it anew; the exit code is 3 then. Requests go on \
meanwhile. A server does the same by itself, slowly (`store.scrub`).")]
    Verify {
        /// Print JSON, one line for each damaged object and one for the end
        #[arg(long)]
        json: bool,
    },
    /// Evict what is too old or too much, and give dead room back, now
    #[command(after_help = "\
Without --to, everything goes that the configuration would have gone in time. With it, what is worth least goes until no \
more than so much is left; pinned objects stay in any case. Requests go on meanwhile.")]
    Gc {
        /// Leave at most so much, like 5GiB
        #[arg(long, value_name = "SIZE", value_parser = size)]
        to: Option<Bytes>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep objects from being evicted
    #[command(after_help = HOW)]
    Pin {
        #[command(flatten)]
        which: Which,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let eviction have objects again
    #[command(after_help = HOW)]
    Unpin {
        #[command(flatten)]
        which: Which,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write objects to a tar archive
    #[command(after_help = "\
Each entry is an object sealed with the key of this store (`key_file`): the archive keeps realm, scope, key, writer and \
time of storing, and whoever keeps it cannot change an object nor make one up. It can be imported where the same key is.

  hearth-cache-server export --scope trusted - | zstd > cache.tar.zst")]
    Export {
        /// The archive, or - for standard output. A file is made with mode 0600 and replaced only once it is whole
        file: PathBuf,
        #[command(flatten)]
        which: Which,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Store the objects of an archive
    #[command(after_help = "\
Nothing that is here is replaced: whoever was first with a key stays first. What was not sealed with the key of this \
store, was changed since, or was taken back here, is refused and counted; the exit code is 3 then. A damaged archive is \
an error, and what came before the damage stays.")]
    Import {
        /// The archive, or - for standard input
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch everything that another node has and this one lacks
    #[command(after_help = "\
The token needs the right of a peer there (`token new --right peer`), and both nodes the same key. What was fetched \
stays; a second call goes on where the first one was broken off.")]
    WarmFrom {
        /// The other node, like https://cache.example:4228/
        url: String,
        /// The file that holds the token, readable by its owner only
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
        /// Certificates to trust beside the system's, in PEM form; whoever has the store reads it
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

const HOW: &str = "\
A running server answers over control.sock in its directory. Without one, this command opens the store by itself and \
says so; a server cannot start meanwhile.";

fn size(text: &str) -> Result<Bytes, String> {
    text.parse().map_err(|_| format!("`{text}` is not a size like 5GiB"))
}

pub(super) async fn run(
    command: &OperateCommand,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<Report, OperateError> {
    let (ask, style) = question(command)?;
    let mut line = Line::ask(settings, &ask).await?;
    if line.owner() == Owner::ThisCommand {
        note("no server runs here; this command has opened the store by itself");
    }
    let done = converse(command, &mut line, style, out).await;
    line.close().await;
    done
}

fn question(command: &OperateCommand) -> Result<(Ask, Style), OperateError> {
    let some = |which: &Which| {
        if *which == Which::default() { Err(OperateError::Everything) } else { Ok(which.clone()) }
    };
    let (ask, json) = match command {
        OperateCommand::Stats { json } => (Ask::Stats, json),
        OperateCommand::Ls { which, limit, json } => (Ask::List { which: which.clone(), limit: *limit }, json),
        OperateCommand::Verify { json } => (Ask::Verify, json),
        OperateCommand::Gc { to, json } => (Ask::Collect { to: *to }, json),
        OperateCommand::Pin { which, json } => (Ask::Pin { which: some(which)? }, json),
        OperateCommand::Unpin { which, json } => (Ask::Unpin { which: some(which)? }, json),
        OperateCommand::Export { which, json, .. } => (Ask::Export { which: which.clone() }, json),
        OperateCommand::Import { json, .. } => (Ask::Import, json),
        OperateCommand::WarmFrom { url, token_file, ca_file, json } => {
            let token = SecretFile::new(token_file).read(exposure);
            let token = token.map_err(|cause| OperateError::Token { path: token_file.clone(), cause })?;
            // The server's directory is another than ours.
            let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let ca = ca_file.as_ref().map(absolute);
            (Ask::Warm { endpoint: url.clone(), token: token.expose().to_owned(), ca }, json)
        }
    };
    Ok((ask, if *json { Style::Json } else { Style::Person }))
}

async fn converse(
    command: &OperateCommand,
    line: &mut Line,
    style: Style,
    out: &mut impl Write,
) -> Result<Report, OperateError> {
    if let OperateCommand::Import { file, .. } = command {
        send_archive(line, file).await?;
    }
    let mut printer = print::Printer::new(style);
    let to_standard = matches!(command, OperateCommand::Export { file, .. } if file == Path::new(STANDARD));
    loop {
        match line.next().await? {
            Said::Progress(words) => note(&words),
            Said::Archive => {
                let OperateCommand::Export { file, .. } = command else { return Err(OperateError::Confused) };
                receive_archive(line, file, out).await?;
            }
            Said::Done(report) if to_standard => {
                note(&print::sentence(report));
                return Ok(report);
            }
            Said::Done(report) => {
                printer.end(report, out).map_err(OperateError::Print)?;
                return Ok(report);
            }
            said => printer.take(said, out).map_err(OperateError::Print)?,
        }
    }
}

async fn send_archive(line: &mut Line, file: &Path) -> Result<(), OperateError> {
    let failed = |cause| OperateError::Read { path: file.to_owned(), cause };
    let mut from: Box<dyn Read + Send> =
        if file == Path::new(STANDARD) { Box::new(io::stdin()) } else { Box::new(File::open(file).map_err(failed)?) };
    let mut piece = vec![0; PIECE];
    let mut moved = Moved::begin();
    loop {
        let length = from.read(&mut piece).map_err(failed)?;
        moved.more(length);
        // Who has stopped listening says why in his last word.
        if send_piece(&mut line.stream, &piece[..length]).await.is_err() || length == 0 {
            return Ok(());
        }
    }
}

async fn receive_archive(line: &mut Line, file: &Path, out: &mut impl Write) -> Result<(), OperateError> {
    let failed = |cause| OperateError::Write { path: file.to_owned(), cause };
    let mut moved = Moved::begin();
    if file == Path::new(STANDARD) {
        while let Some(piece) = next_piece(line).await? {
            moved.more(piece.len());
            out.write_all(&piece).map_err(failed)?;
        }
        return out.flush().map_err(failed);
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let _of_one_that_was_killed = fs::remove_file(&partial);
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial).map_err(failed)?;
    let written = async {
        while let Some(piece) = next_piece(line).await? {
            moved.more(piece.len());
            to.write_all(&piece).map_err(failed)?;
        }
        to.sync_all().and_then(|()| fs::rename(&partial, file)).map_err(failed)
    };
    written.await.inspect_err(|_| drop(fs::remove_file(&partial)))
}

/// The next piece of an archive, `None` at its end; why it was broken off is an error.
async fn next_piece(line: &mut Line) -> Result<Option<Vec<u8>>, OperateError> {
    match receive_piece(&mut line.stream).await.map_err(OperateError::Broken)? {
        Piece::Bytes(piece) => Ok(Some(piece)),
        Piece::End => Ok(None),
        Piece::BrokenOff => line.next().await.map_err(OperateError::Control).and(Err(OperateError::Confused)),
    }
}

/// How much of an archive has come by; says so when it takes longer.
struct Moved {
    bytes: u64,
    next_word: Instant,
}

impl Moved {
    fn begin() -> Self {
        Self { bytes: 0, next_word: Instant::now() + WORD }
    }

    fn more(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if Instant::now() >= self.next_word {
            self.next_word = Instant::now() + WORD;
            note(&format!("{} of the archive", Bytes(self.bytes)));
        }
    }
}

/// A word beside the answer.
fn note(words: &str) {
    // Nobody may be listening.
    let _closed = writeln!(io::stderr(), "{}: {}", super::PROGRAM, for_terminal(words));
}
