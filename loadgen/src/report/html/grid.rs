//! Tables whose columns are figures of a row.

use super::escape::text;
use super::numbers::NONE;
use crate::report::row::Row;

/// What writes a cell.
type Cell<'a> = Box<dyn Fn(&Row) -> Option<String> + 'a>;

/// A column, and under which heading it is together with its neighbours.
pub(crate) struct Column<'a> {
    /// Of some columns; the same text puts them together.
    pub(crate) heading: String,
    /// Of this one.
    pub(crate) name: String,
    /// Markup of the cell; nothing where the row has no such figure.
    pub(crate) cell: Cell<'a>,
}

impl<'a> Column<'a> {
    /// A column.
    pub(crate) fn new(heading: &str, name: &str, cell: impl Fn(&Row) -> Option<String> + 'a) -> Self {
        Self { heading: heading.to_owned(), name: name.to_owned(), cell: Box::new(cell) }
    }
}

/// Some rows under one heading.
pub(crate) struct Body<'a> {
    /// Markup of the heading; nothing when there is none.
    pub(crate) heading: String,
    /// Rows with the markup of their first cell, and of a line below that belongs to them and is as wide as the table.
    pub(crate) rows: Vec<(String, &'a Row, String)>,
}

/// The table of the columns that have a figure in any row; nothing when none has.
pub(crate) fn table(caption: &str, mut columns: Vec<Column<'_>>, bodies: &[Body<'_>]) -> Option<String> {
    let rows = || bodies.iter().flat_map(|body| &body.rows);
    columns.retain(|column| rows().any(|(_, row, _)| (column.cell)(row).is_some()));
    let is_empty = columns.is_empty() && rows().all(|(.., below)| below.is_empty());
    if is_empty {
        return None;
    }
    let width = columns.len() + 1;
    let body: String = bodies.iter().map(|body| body_markup(body, &columns, width)).collect();
    let (caption, head) = (text(caption), head(&columns));
    // The region can be scrolled by keyboard too.
    Some(format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\
         <caption>{caption}</caption><thead>{head}</thead>{body}</table></div>\n"
    ))
}

/// Two rows: headings of several columns, and the names of each.
fn head(columns: &[Column<'_>]) -> String {
    let mut headings: Vec<(&str, usize)> = Vec::new();
    for column in columns {
        match headings.last_mut() {
            Some((heading, width)) if *heading == column.heading => *width += 1,
            _ => headings.push((&column.heading, 1)),
        }
    }
    let upper: String = headings
        .into_iter()
        .map(|(heading, width)| format!("<th scope=\"colgroup\" colspan=\"{width}\">{}</th>", text(heading)))
        .collect();
    let mut before = None;
    let lower: String = columns
        .iter()
        .map(|column| {
            let class = first_of(&mut before, &column.heading);
            format!("<th scope=\"col\"{class}>{}</th>", text(&column.name))
        })
        .collect();
    format!("<tr><th scope=\"col\" rowspan=\"2\">row</th>{upper}</tr><tr>{lower}</tr>")
}

fn body_markup(body: &Body<'_>, columns: &[Column<'_>], width: usize) -> String {
    let mut markup = String::from("<tbody>");
    if !body.heading.is_empty() {
        markup += &format!(
            "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"{width}\"><div>{}</div></th></tr>",
            body.heading
        );
    }
    for (name, row, below) in &body.rows {
        let mut before = None;
        let cells: String = columns
            .iter()
            .map(|column| {
                let class = first_of(&mut before, &column.heading);
                let cell =
                    (column.cell)(row).unwrap_or_else(|| format!("<span class=\"none\">{NONE}</span>"));
                format!("<td{class}>{cell}</td>")
            })
            .collect();
        markup += &format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>");
        if !below.is_empty() {
            markup += &format!("<tr class=\"below\"><td colspan=\"{width}\"><div>{below}</div></td></tr>");
        }
    }
    markup + "</tbody>"
}

/// The first of several columns has a line before it.
fn first_of<'c>(before: &mut Option<&'c str>, heading: &'c str) -> &'static str {
    let is_first = before.replace(heading) != Some(heading);
    if is_first { " class=\"first\"" } else { "" }
}

/// A table of plain text with a name for each row, which is its first cell.
pub(crate) fn plain(caption: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let caption = text(caption);
    let head: String = head.iter().map(|name| format!("<th scope=\"col\">{}</th>", text(name))).collect();
    let row = |cells: &Vec<String>| -> String {
        let cell = |(place, cell): (usize, &String)| match (place, text(cell)) {
            (0, cell) => format!("<th scope=\"row\">{cell}</th>"),
            (_, cell) => format!("<td>{cell}</td>"),
        };
        format!("<tr>{}</tr>", cells.iter().enumerate().map(cell).collect::<String>())
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\
         <caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::sample;

    fn columns() -> Vec<Column<'static>> {
        vec![
            Column::new("rate", "msg/s", |row| row.messages_per_second.map(|rate| rate.median.to_string())),
            Column::new("rate", "<name>", |row| Some(row.errors.to_string())),
            Column::new("never", "there", |_| None),
        ]
    }

    #[test]
    fn columns_without_figures_are_left_out() {
        let (with, without) = (sample::row("s", "a", 5.0), sample::failed_row("s", "b"));
        let rows = vec![("a".to_owned(), &with, String::new()), ("b".to_owned(), &without, "why".to_owned())];
        let markup = table("All", columns(), &[Body { heading: String::new(), rows }]).expect("a table");
        assert!(!markup.contains("never"), "{markup}");
        assert!(markup.contains("colspan=\"2\">rate</th>") && markup.contains("&lt;name&gt;"), "{markup}");
        assert!(
            markup.contains("<span class=\"none\">") && markup.contains("colspan=\"3\"><div>why"),
            "{markup}"
        );
    }

    #[test]
    fn a_table_of_nothing_is_none() {
        assert!(table("All", columns(), &[]).is_none());
    }

    #[test]
    fn plain_tables_are_escaped() {
        let markup = plain("<c>", &["<h>".to_owned()], &[vec!["<r>".to_owned(), "<d>".to_owned()]]);
        for raw in ["<c>", "<h>", "<r>", "<d>"] {
            assert!(!markup.contains(raw), "{markup}");
        }
        assert!(markup.contains("<th scope=\"row\">&lt;r&gt;</th><td>&lt;d&gt;</td>"), "{markup}");
    }
}
