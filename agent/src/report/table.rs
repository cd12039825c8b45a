//! Sheets for a terminal, or for a pipe or file: as wide as the screen, plain where there is none.

use std::io::{self, Write};

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
};

use super::ReportError;
use super::sheet::{Sheet, Sheets};
use hearth_daemon::terminal::for_terminal;

/// A line per row and one below the header: a row that wraps is known by its empty first cell.
const PLAIN: TableStyle = style('|', '-', '+');
const DRAWN: TableStyle = style('│', '─', '┼');

const fn style(between: char, rule: char, crossing: char) -> TableStyle {
    TableStyle::new()
        .header_lines(ContentLineStyle::none().junction(between))
        .header_separator(LineStyle::none().fill(rule).junction(crossing))
        .content_lines(ContentLineStyle::none().junction(between))
}

/// Where a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A pipe or a file: ASCII, no wrapping, so that a line stays a line.
    None,
    Terminal {
        columns: u16,
    },
}

impl Screen {
    /// Where this process's standard output goes.
    pub fn of_stdout() -> Self {
        Table::new().width().map_or(Self::None, |columns| Self::Terminal { columns })
    }
}

pub(super) fn write(sheets: &Sheets, screen: Screen, out: &mut impl Write) -> Result<(), ReportError> {
    write_all(sheets, screen, out).map_err(ReportError::Write)
}

fn write_all(sheets: &Sheets, screen: Screen, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", for_terminal(&sheets.title))?;
    for sheet in &sheets.tables {
        writeln!(out, "\n{}\n{}", for_terminal(&sheet.heading), draw(sheet, screen))?;
    }
    writeln!(out, "\nNotes")?;
    for note in &sheets.notes {
        writeln!(out, "  {}", for_terminal(note))?;
    }
    out.flush()
}

/// One table, without its heading.
pub(crate) fn draw(sheet: &Sheet, screen: Screen) -> String {
    let mut table = Table::new();
    match screen {
        Screen::None => {
            table.load_style(PLAIN).set_content_arrangement(ContentArrangement::Disabled);
        }
        Screen::Terminal { columns } => {
            table.load_style(DRAWN).set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
        }
    }
    table.force_no_tty();
    if !sheet.header.is_empty() {
        table.set_header(sheet.header.iter().map(Cell::new));
    }
    for row in &sheet.rows {
        table.add_row(row.iter().map(|cell| Cell::new(for_terminal(cell))));
    }
    for column in sheet.whole {
        if let Some(column) = table.column_mut(*column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    for column in sheet.figures {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
