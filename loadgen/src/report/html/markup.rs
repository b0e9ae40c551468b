//! The pieces of a page. Whatever comes from a report goes through [`text`].

use crate::terminal;

/// Longest text of a report that a page repeats, characters.
const TEXT_MAX: usize = 1_000;

/// A cell of at most so many characters is a figure and stays on one line.
const SHORT: usize = 26;

/// A text that says nothing but itself, wherever in a page it stands.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for letter in harmless(raw, TEXT_MAX).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

/// At most so many characters of a text, and none that a document may not have or that turn the direction of writing,
/// which makes texts look like others. Markup is still in it.
pub(super) fn harmless(raw: &str, most: usize) -> String {
    let mut out = String::with_capacity(raw.len());
    for (at, letter) in raw.chars().enumerate() {
        if at == most {
            out.push('…');
            break;
        }
        match letter {
            letter if terminal::is_obeyed(letter) && letter != '\n' && letter != '\t' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

/// A table. The cells of the first column head their rows; all are texts, not markup.
pub(super) fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut out = format!("<div class=\"scroll\"><table><caption>{}</caption>\n", text(caption));
    if !head.is_empty() {
        let cells: String =
            head.iter().map(|name| format!("<th scope=\"col\">{}</th>", text(name))).collect();
        out.push_str(&format!("<thead><tr>{cells}</tr></thead>\n"));
    }
    out.push_str("<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let is_short = cell.chars().count() <= SHORT;
            let (open, close) = match at {
                0 => ("<th scope=\"row\">", "</th>"),
                _ if is_short => ("<td class=\"short\">", "</td>"),
                _ => ("<td>", "</td>"),
            };
            out.push_str(&format!("{open}{}{close}", text(cell)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// A part of the page under a heading; nothing when there is nothing in it.
pub(super) fn section(heading: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!("<section><h2>{}</h2>\n{body}</section>\n", text(heading))
}

/// A list of texts.
pub(super) fn list(items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", text(item))).collect();
    format!("<ul>\n{items}</ul>\n")
}

/// The whole document.
pub(super) fn document(title: &str, main: &str) -> String {
    // Should markup ever get through, it may neither run nor fetch anything.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{}</title>\n<style>\n{}</style>\n</head>\n\
         <body>\n<main>\n{main}</main>\n</body>\n</html>\n",
        text(title),
        include_str!("style.css")
    )
}
