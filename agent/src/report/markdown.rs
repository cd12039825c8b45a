//! Sheets as Markdown, for a job summary.

use std::io::{self, Write};

use super::ReportError;
use super::safe::for_markdown;
use super::sheet::{Sheet, Sheets};

pub(super) fn write(sheets: &Sheets, out: &mut impl Write) -> Result<(), ReportError> {
    write_all(sheets, out).map_err(ReportError::Write)
}

fn write_all(sheets: &Sheets, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "## {}", for_markdown(&sheets.title))?;
    for sheet in &sheets.tables {
        writeln!(out, "\n### {}\n", for_markdown(&sheet.heading))?;
        draw(sheet, out)?;
    }
    writeln!(out, "\n### Notes\n")?;
    for note in &sheets.notes {
        writeln!(out, "- {}", for_markdown(note))?;
    }
    out.flush()
}

fn draw(sheet: &Sheet, out: &mut impl Write) -> io::Result<()> {
    let columns = sheet.rows.iter().map(Vec::len).max().unwrap_or(0).max(sheet.header.len());
    let header = (0..columns).map(|column| sheet.header.get(column).map_or(String::new(), |name| for_markdown(name)));
    line(header, out)?;
    line((0..columns).map(|column| if sheet.figures.contains(&column) { "---:" } else { "---" }.to_owned()), out)?;
    for row in &sheet.rows {
        line(row.iter().map(|cell| for_markdown(cell)), out)?;
    }
    Ok(())
}

fn line(cells: impl Iterator<Item = String>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))
}
