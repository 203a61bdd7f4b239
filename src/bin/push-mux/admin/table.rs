use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Rows under headings, in columns. Texts that peers chose are printed without what could move a terminal's cursor.
pub(super) fn table(
    headings: &[&str],
    numbers: &[usize],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|text| plain(text)));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A text of somebody else's, on one line and without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_peers_cannot_paint() {
        let rows =
            [vec!["a".to_owned(), "7".to_owned()], vec!["x\u{1b}[2J\ny".to_owned(), "1234".to_owned()]];
        let text = table(&["name", "count"], &[1], rows);
        assert_eq!(text, "name     count\na            7\nx\u{fffd}[2J\u{fffd}y   1234\n");
    }
}
