//! A configuration that was changed while the server runs, upon SIGHUP: what callers may do and whether the upstream is
//! asked is so from then on; of everything else a person is told that it takes a restart. One that is wrong changes
//! nothing.

use std::sync::Arc;

use hearth_daemon::stop::Stop;
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::node::Node;
use crate::settings::{Origin, ServerFile, Settings, SettingsError};

/// Runs until the stop. `in_force` is what the server was started with.
pub(super) async fn follow(node: Node, mut in_force: ServerFile, origin: Origin, asked: Arc<Notify>, stop: Stop) {
    loop {
        // Both branches only wait; a dropped one loses nothing.
        tokio::select! {
            () = stop.requested() => return,
            () = asked.notified() => {}
        }
        let of = origin.clone();
        let read = tokio::task::spawn_blocking(move || -> Result<(ServerFile, Settings), SettingsError> {
            let read = of.read()?;
            let settings = of.check(&read)?;
            Ok((read.value, settings))
        });
        match read.await {
            Ok(Ok((file, settings))) => {
                node.allow(settings.node.allowances, settings.node.scope_quota);
                node.set_upstream_mode(file.upstream.mode);
                in_force = in_force.with_changes_of(&file);
                info!("callers may do what the configuration says now");
                if in_force != file {
                    warn!("the configuration has other changes too, which take a restart");
                }
            }
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                error!(error, "the new configuration is wrong; the old one stays in force");
            }
            // The runtime is going down.
            Err(_) => return,
        }
    }
}
