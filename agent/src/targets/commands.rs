//! `hearth targets list|why|inspect|prune`: what is kept warm, for whom, and why a job would be cold.

use std::io::{self, Write};
use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table};
use hearth_model::{Bytes, Clock, Timestamp};
use serde::Serialize;

use super::choose::{Choice, choose};
use super::lane::LaneKey;
use super::snapshot::{Manifest, Snapshot};
use super::store::{Targets, TargetsError};
use hearth_daemon::terminal::for_terminal;

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Targets(TargetsError),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
    #[error("cannot read snapshot {id}")]
    Record {
        id: String,
        #[source]
        cause: super::snapshot::RecordError,
    },
}

/// See and prune the warm build directories of this machine
#[derive(Debug, clap::Subcommand)]
pub enum TargetsCommand {
    /// List all snapshots, the most recently used first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what a job here would start from, and what speaks against every other snapshot
    Why {
        /// The checkout of the job
        #[arg(long, value_name = "DIR", default_value = ".")]
        repo: PathBuf,
        /// The job's name
        #[arg(long, value_name = "NAME", default_value = "local")]
        job: String,
        /// The lane that the job was given with --lane [default: the job's name]
        #[arg(long, value_name = "NAME")]
        lane: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one snapshot: its record, its sources, its largest files
    Inspect {
        /// The snapshot's id or a part of it
        snapshot: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove snapshots, the least recently used first
    Prune {
        /// Until all together take no more than this, like 10GiB; 0 removes all [default: targets.budget]
        #[arg(long, value_name = "SIZE")]
        to: Option<Bytes>,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}

/// One snapshot as it is listed. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedSnapshot {
    pub id: String,
    pub repository: String,
    pub job: String,
    pub scope: String,
    pub commit: Option<String>,
    pub lane: String,
    pub bytes: Bytes,
    pub files: u64,
    pub made_at: Timestamp,
    pub used_at: Timestamp,
    /// A clone of it is ready to be handed out.
    pub ready: bool,
}

impl ListedSnapshot {
    /// What it takes together with its clone.
    pub fn with_clone(&self) -> Bytes {
        Bytes(self.bytes.0 * if self.ready { 2 } else { 1 })
    }
}

impl Targets {
    pub fn print_list(&self, form: Form, clock: &dyn Clock, out: &mut impl Write) -> Result<(), CommandError> {
        let mut lines = self.snapshots().map_err(CommandError::Targets)?;
        lines.sort_by_key(|line| std::cmp::Reverse(line.used_at));
        if form == Form::Json {
            return print_json(&lines, out);
        }
        if lines.is_empty() {
            let text = "no snapshot yet; the first job that succeeds leaves one: hearth exec -- cargo test";
            return writeln!(out, "{text}").map_err(CommandError::Write);
        }
        let mut table = Table::new();
        table
            .load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["snapshot", "repository", "job", "scope", "commit", "size", "files", "used", "ready"]);
        for line in &lines {
            let commit = line.commit.as_deref().and_then(|c| c.get(..10)).unwrap_or("none");
            let used = format!("{} ago", clock.now().since(line.used_at));
            table.add_row([
                for_terminal(&line.id[20..]).into_owned(),
                for_terminal(&line.repository).into_owned(),
                for_terminal(&line.job).into_owned(),
                for_terminal(&line.scope).into_owned(),
                commit.to_owned(),
                line.bytes.to_string(),
                line.files.to_string(),
                used,
                if line.ready { "yes" } else { "no" }.to_owned(),
            ]);
        }
        let total: Bytes = lines.iter().map(ListedSnapshot::with_clone).sum();
        writeln!(
            out,
            "{table}\n{} snapshots, {total} with their clones, budget {}, clones by {}",
            lines.len(),
            self.budget,
            self.means
        )
        .map_err(CommandError::Write)
    }

    /// All snapshots of this machine, in no order.
    pub fn snapshots(&self) -> Result<Vec<ListedSnapshot>, TargetsError> {
        let mut lines = Vec::new();
        for (id, key) in self.lanes()? {
            let lane = self.lane(&id);
            for candidate in self.candidates(&id)? {
                let snapshot = candidate.snapshot;
                let used_at = lane.used_at(&snapshot.id).unwrap_or(snapshot.made_at);
                lines.push(ListedSnapshot {
                    ready: lane.ready(&snapshot.id).exists(),
                    id: snapshot.id.to_string(),
                    repository: key.repository.clone(),
                    job: snapshot.job,
                    scope: snapshot.scope.to_string(),
                    commit: snapshot.commit,
                    lane: id.to_string(),
                    bytes: snapshot.bytes,
                    files: snapshot.files,
                    made_at: snapshot.made_at,
                    used_at,
                });
            }
        }
        Ok(lines)
    }

    pub fn print_inspection(&self, part: &str, form: Form, out: &mut impl Write) -> Result<(), CommandError> {
        let snapshot = self.find(part).map_err(CommandError::Targets)?;
        let directory = self.lane(&snapshot.lane).snapshot(&snapshot.id);
        let manifest = Manifest::read(&directory, &snapshot);
        let manifest = manifest.map_err(|cause| CommandError::Record { id: snapshot.id.to_string(), cause })?;
        let damage = manifest.verify(&directory.join("build"));
        let damage = damage.map_err(|e| e.to_string()).and_then(|found| found).err();
        let mut largest: Vec<(&String, &u64)> = manifest.artifacts.iter().collect();
        largest.sort_by_key(|(path, size)| (std::cmp::Reverse(**size), *path));
        largest.truncate(10);
        if form == Form::Json {
            let inspection = Inspection { snapshot: &snapshot, sources: manifest.sources.files.len(), damage, largest };
            return print_json(&inspection, out);
        }
        let commit = snapshot.commit.as_deref().unwrap_or("none");
        let parent = snapshot.parent.as_ref().map_or("none", |p| p.as_str());
        let text = format!(
            "snapshot    {}\nrepository  {}\njob         {}\nscope       {}\ncommit      {commit}\nlane        {}\n\
             parent      {parent}\nexecution   {}\nsize        {} in {} files\nsources     {} files and {} directories known \
             by content\nstate       {}\nlargest\n",
            snapshot.id,
            for_terminal(&snapshot.repository),
            for_terminal(&snapshot.job),
            for_terminal(&snapshot.scope.to_string()),
            snapshot.lane,
            snapshot.execution,
            snapshot.bytes,
            snapshot.files,
            manifest.sources.files.len(),
            manifest.sources.directories.len(),
            damage.map_or("whole".to_owned(), |what| format!("damaged: {what}; the next job will drop it")),
        );
        out.write_all(text.as_bytes()).map_err(CommandError::Write)?;
        for (path, size) in largest {
            writeln!(out, "  {:>10}  {}", Bytes(*size).to_string(), for_terminal(path)).map_err(CommandError::Write)?;
        }
        Ok(())
    }

    pub fn print_prune(&self, to: Option<Bytes>, how: Prune, out: &mut impl Write) -> Result<(), CommandError> {
        let budget = to.unwrap_or(self.budget);
        let (count, freed) = match how {
            Prune::DryRun => {
                let doomed = self.doomed(budget).map_err(CommandError::Targets)?;
                for kept in &doomed {
                    let line =
                        format!("{} {} {}", kept.snapshot.id, kept.bytes, for_terminal(&kept.snapshot.repository));
                    writeln!(out, "would remove {line}").map_err(CommandError::Write)?;
                }
                (doomed.len(), doomed.iter().map(|k| k.bytes).sum::<Bytes>())
            }
            Prune::Remove => {
                let done = self.evict(budget).map_err(CommandError::Targets)?;
                self.empty_trash().map_err(CommandError::Targets)?;
                (done.evicted, done.freed)
            }
        };
        let word = if how == Prune::DryRun { "would remove" } else { "removed" };
        writeln!(out, "{word} {count} snapshots, {freed}").map_err(CommandError::Write)
    }

    /// What a job with this key and these scopes would start from.
    pub fn print_why(
        &self,
        key: &LaneKey,
        trust: &hearth_trust::Trust,
        form: Form,
        out: &mut impl Write,
    ) -> Result<(), CommandError> {
        let lane = key.id();
        let chosen = match choose(&self.candidates(&lane).map_err(CommandError::Targets)?, &trust.reads) {
            Choice::Warm(snapshot) => Ok(*snapshot),
            Choice::Cold { why } => Err(why),
        };
        let mut others = Vec::new();
        for (id, other) in self.lanes().map_err(CommandError::Targets)? {
            if id != lane && other.repository == key.repository {
                let snapshots = self.candidates(&id).map_err(CommandError::Targets)?.len();
                others.push(OtherLane { lane: id.to_string(), snapshots, differences: key.differences(&other) });
            }
        }
        let scopes: Vec<String> = trust.reads.iter().map(ToString::to_string).collect();
        if form == Form::Json {
            let (snapshot, cold) = match &chosen {
                Ok(snapshot) => (Some(snapshot), None),
                Err(why) => (None, Some(why.clone())),
            };
            let why =
                WhyJson { lane: lane.to_string(), class: trust.class.as_str(), reads: scopes, snapshot, cold, others };
            return print_json(&why, out);
        }
        let text = match &chosen {
            Ok(s) => format!(
                "warm: snapshot {} of scope {}, commit {}, {}\n",
                s.id,
                for_terminal(&s.scope.to_string()),
                s.commit.as_deref().unwrap_or("none"),
                s.bytes
            ),
            Err(why) => format!("cold: {}\n", for_terminal(why)),
        };
        out.write_all(text.as_bytes()).map_err(CommandError::Write)?;
        writeln!(out, "class {}, reads {}; lane {lane}", trust.class, for_terminal(&scopes.join(", ")))
            .map_err(CommandError::Write)?;
        for other in &others {
            writeln!(out, "lane {} ({} snapshots) does not fit:", other.lane, other.snapshots)
                .map_err(CommandError::Write)?;
            for difference in &other.differences {
                writeln!(out, "  {}", for_terminal(difference)).map_err(CommandError::Write)?;
            }
        }
        Ok(())
    }
}

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

/// Whether a prune removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    Remove,
    DryRun,
}

#[derive(Debug, Serialize)]
struct Inspection<'a> {
    snapshot: &'a Snapshot,
    sources: usize,
    damage: Option<String>,
    largest: Vec<(&'a String, &'a u64)>,
}

#[derive(Debug, Serialize)]
struct OtherLane {
    lane: String,
    snapshots: usize,
    differences: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WhyJson<'a> {
    lane: String,
    class: &'static str,
    reads: Vec<String>,
    snapshot: Option<&'a Snapshot>,
    cold: Option<String>,
    others: Vec<OtherLane>,
}

fn print_json(value: &impl Serialize, out: &mut impl Write) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CommandError::Write(e.into()))?;
    writeln!(out, "{text}").map_err(CommandError::Write)
}
