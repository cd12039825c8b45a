//! The frame of every page, and the files that it asks for.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use super::text::name;

/// How a browser without script stays up to date, in seconds. The script asks more often and keeps the place.
const RELOAD_S: u32 = 30;

const STYLE: &str = include_str!("dashboard.css");
const SCRIPT: &str = include_str!("dashboard.js");
const ICON: &str = include_str!("icon.svg");

/// Style, script and icon, where the frame asks for them.
pub fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/dashboard.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route("/dashboard.js", get(async || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)))
        .route("/icon.svg", get(async || ([(header::CONTENT_TYPE, "image/svg+xml")], ICON)))
}

/// What a page has of its own.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Whose page it is; empty when that is not known.
    pub machine: &'a str,
    /// Of when the figures are.
    pub state: &'a Markup,
    pub content: &'a Markup,
    pub footer: &'a Markup,
}

impl Frame<'_> {
    pub fn page(&self) -> Markup {
        let Self { machine, state, content, footer } = self;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { @if !machine.is_empty() { (machine) " · " } "Hearth" }
                    link rel="icon" href="/icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/dashboard.css";
                    script src="/dashboard.js" defer {}
                    noscript { meta http-equiv="refresh" content=(RELOAD_S); }
                }
                body {
                    a.skip href="#content" { "Skip to the figures" }
                    header {
                        h1 {
                            img src="/icon.svg" alt="" width="24" height="24";
                            "Hearth " span.machine { @if !machine.is_empty() { (name(machine)) } }
                        }
                        div #state { (state) }
                        button #pause type="button" hidden { "Pause updates" }
                    }
                    main #content { (content) }
                    footer { (footer) }
                }
            }
        }
    }
}

/// For which screen a drawing is made: one that is scaled down to a phone has letters that nobody can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Wide,
    Narrow,
}

impl Screen {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }

    pub const fn width(self) -> u32 {
        match self {
            Self::Wide => 860,
            Self::Narrow => 350,
        }
    }
}
