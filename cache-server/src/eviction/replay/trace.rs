//! Requests of a compile cache as Rust projects' CI makes them, generated from a seed: what a key depends on, how big its
//! object is and how long it took to compile are modeled on measured builds (33 to 300 units a job, half of the objects
//! below 280 kB, a tenth above 2.2 MB). Nothing here knows a policy.

use fastrand::Rng;

const MINUTE: u32 = 60;
const DAY: u32 = 24 * 60 * MINUTE;

/// One compilation that asks the cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) at: u32,
    /// Where the job writes and looks first. The repository's number is its trusted scope; the rest are pull requests.
    pub(super) own: u32,
    pub(super) repository: u32,
    pub(super) key: u64,
    pub(super) size: u32,
    pub(super) cost_ms: u32,
}

impl Request {
    /// The object's name in a scope.
    pub(super) fn id_in(&self, scope: u32) -> u64 {
        mix(mix(0, u64::from(scope)), self.key)
    }
}

/// One compilation unit of a project: a crate from the registry, or a member of the workspace.
struct Unit {
    needs: Vec<usize>,
    size: f64,
    cost_ms: f64,
}

struct Project {
    number: u32,
    units: Vec<Unit>,
    /// Where the members of the workspace begin.
    members: usize,
    merges_per_day: f64,
    /// Whether it also builds every day with that day's compiler.
    follows_nightly: bool,
}

/// What a checkout compiles: a version for each unit, and the compiler.
#[derive(Clone)]
struct Tree {
    versions: Vec<u32>,
    compiler: u32,
}

#[derive(Clone, Copy)]
enum Profile {
    Check,
    Debug,
    Release,
}

/// Some weeks of several projects, in the order of time.
pub(super) fn trace(seed: u64, projects: u32, days: u32) -> Vec<Request> {
    let mut writer = Writer { rng: Rng::with_seed(seed), requests: Vec::new(), next_scope: projects, next_version: 1 };
    for number in 0..projects {
        let project = Project::draw(&mut writer.rng, number);
        writer.live(&project, days);
    }
    writer.requests.sort_by_key(|request| request.at);
    writer.requests
}

impl Project {
    fn draw(rng: &mut Rng, number: u32) -> Self {
        let outer = 25 + rng.usize(0..40) + if rng.f64() < 0.4 { rng.usize(0..170) } else { 0 };
        let members = 3 + rng.usize(0..25);
        let units = (0..outer + members)
            .map(|n| {
                let wanted = rng.usize(0..6).min(n);
                // Members mostly need members, crates lean on the few that everybody uses.
                let mut needs: Vec<_> = (0..wanted)
                    .map(|_| if n > outer && rng.bool() { rng.usize(outer..n) } else { near_zero(rng, n.min(outer)) })
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                let size = (280_000.0 * (1.6 * normal(rng)).exp()).clamp(6_000.0, 7_000_000.0);
                let cost_ms = 600.0 * (size / 741_000.0).powf(0.7) * (0.7 * normal(rng)).exp();
                Unit { needs, size, cost_ms }
            })
            .collect();
        Self { number, units, members: outer, merges_per_day: 1.0 + 9.0 * rng.f64(), follows_nightly: rng.f64() < 0.3 }
    }
}

struct Writer {
    rng: Rng,
    requests: Vec<Request>,
    next_scope: u32,
    next_version: u32,
}

struct Proposal {
    scope: u32,
    /// What it changes: units, and perhaps the compiler.
    changes: Vec<usize>,
    compiler: Option<u32>,
    pushes: u32,
    tree: Tree,
}

impl Writer {
    /// The life of one project: pull requests come, are pushed to, and land.
    fn live(&mut self, project: &Project, days: u32) {
        let mut main = Tree { versions: vec![0; project.units.len()], compiler: 1 };
        let mut open: Vec<Proposal> = Vec::new();
        for day in 0..days {
            let working = day % 7 < 5;
            let pace = project.merges_per_day * if working { 1.3 } else { 0.25 };
            let mut moments: Vec<u32> = (0..self.about(pace * 4.0))
                .map(|_| day * DAY + self.hour() * 60 * MINUTE + self.rng.u32(0..3600))
                .collect();
            moments.sort_unstable();
            for at in moments {
                let roll = self.rng.f64();
                if open.is_empty() || roll < 0.3 {
                    let proposal = self.propose(project, &main);
                    self.push(project, &proposal, at);
                    open.push(proposal);
                } else if roll < 0.72 {
                    let n = self.rng.usize(0..open.len());
                    let mut proposal = open.swap_remove(n);
                    proposal.pushes += 1;
                    if self.rng.f64() < 0.3 {
                        // Rebased on main.
                        let changed: Vec<_> =
                            proposal.changes.iter().map(|&u| (u, proposal.tree.versions[u])).collect();
                        proposal.tree = main.clone();
                        for (unit, version) in changed {
                            proposal.tree.versions[unit] = version;
                        }
                        if let Some(compiler) = proposal.compiler {
                            proposal.tree.compiler = compiler;
                        }
                    }
                    // A push with nothing new in it is a run again.
                    if self.rng.f64() < 0.85 && proposal.compiler.is_none() {
                        self.edit(&proposal.changes, &mut proposal.tree);
                    }
                    self.push(project, &proposal, at);
                    open.push(proposal);
                } else {
                    let n = self.rng.usize(0..open.len());
                    let proposal = open.swap_remove(n);
                    if self.rng.f64() < 0.85 {
                        for &unit in &proposal.changes {
                            main.versions[unit] = proposal.tree.versions[unit];
                        }
                        if let Some(compiler) = proposal.compiler {
                            main.compiler = compiler;
                        }
                        self.job(project, &main, Profile::Check, project.number, at);
                        self.job(project, &main, Profile::Debug, project.number, at + 30);
                    }
                }
            }
            let night = day * DAY + 3 * 60 * MINUTE;
            self.job(project, &main, Profile::Release, project.number, night);
            if project.follows_nightly {
                let nightly = Tree { compiler: 1000 + day, ..main.clone() };
                self.job(project, &nightly, Profile::Check, project.number, night + 20 * MINUTE);
            }
            if day % 7 == 6 {
                self.scan(project, &main, night + 60 * MINUTE);
            }
        }
    }

    fn propose(&mut self, project: &Project, main: &Tree) -> Proposal {
        let roll = self.rng.f64();
        let all = project.units.len();
        let mut compiler = None;
        let changes: Vec<usize> = if roll < 0.02 {
            self.next_version += 1;
            compiler = Some(self.next_version);
            Vec::new()
        } else if roll < 0.10 {
            (0..=self.rng.usize(0..5)).map(|_| self.rng.usize(0..project.members)).collect()
        } else if roll < 0.12 {
            (0..project.members / 4).map(|_| self.rng.usize(0..project.members)).collect()
        } else {
            // Mostly the ends of the workspace: few crates need what changes.
            let span = all - project.members;
            (0..=self.rng.usize(0..3)).map(|_| all - 1 - near_zero(&mut self.rng, span)).collect()
        };
        let mut tree = main.clone();
        if let Some(compiler) = compiler {
            tree.compiler = compiler;
        }
        self.edit(&changes, &mut tree);
        self.next_scope += 1;
        Proposal { scope: self.next_scope, changes, compiler, pushes: 1, tree }
    }

    fn edit(&mut self, changes: &[usize], tree: &mut Tree) {
        for &unit in changes {
            self.next_version += 1;
            tree.versions[unit] = self.next_version;
        }
    }

    fn push(&mut self, project: &Project, proposal: &Proposal, at: u32) {
        let tree = proposal.tree.clone();
        self.job(project, &tree, Profile::Check, proposal.scope, at);
        self.job(project, &tree, Profile::Debug, proposal.scope, at + 20);
    }

    /// Everything once with features that nobody builds again.
    fn scan(&mut self, project: &Project, main: &Tree, at: u32) {
        let mut odd = main.clone();
        let every: Vec<_> = (0..project.units.len()).filter(|_| self.rng.f64() < 0.6).collect();
        self.edit(&every, &mut odd);
        self.job(project, &odd, Profile::Check, project.number, at);
    }

    fn job(&mut self, project: &Project, tree: &Tree, profile: Profile, own: u32, at: u32) {
        let (word, size, cost) = match profile {
            Profile::Check => (1, 0.33, 0.4),
            Profile::Debug => (2, 1.0, 1.0),
            Profile::Release => (3, 0.8, 2.5),
        };
        let mut keys: Vec<u64> = Vec::with_capacity(project.units.len());
        for ((n, unit), version) in (0_u32..).zip(&project.units).zip(&tree.versions) {
            let own_part = [project.number, n, *version, tree.compiler, word].map(u64::from);
            let key = unit.needs.iter().map(|&needed| keys[needed]).chain(own_part).fold(0x51_7c_c1, mix);
            keys.push(key);
            // One version is a little bigger or slower than another.
            let jitter = 0.85 + 0.3 * (key % 1000) as f64 / 1000.0;
            self.requests.push(Request {
                at: at + n / 4,
                own,
                repository: project.number,
                key,
                size: whole(unit.size * size * jitter),
                cost_ms: whole(unit.cost_ms * cost * jitter) + 20,
            });
        }
    }

    fn hour(&mut self) -> u32 {
        7 + u32::midpoint(self.rng.u32(0..12), self.rng.u32(0..12))
    }

    fn about(&mut self, mean: f64) -> u32 {
        whole(mean * (0.5 + self.rng.f64()))
    }
}

/// Below `end`, and the smaller the likelier.
fn near_zero(rng: &mut Rng, end: usize) -> usize {
    let bound = rng.usize(0..end);
    rng.usize(0..=bound)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes and times are positive and small")]
fn whole(number: f64) -> u32 {
    number.round() as u32
}

fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

fn mix(so_far: u64, next: u64) -> u64 {
    let mixed = (so_far ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (mixed >> 32)
}
