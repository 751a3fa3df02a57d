//! A replay as one self-contained page, to be mailed: no script, style, font or image comes from
//! elsewhere, and without scripts everything is still there.
//!
//! *Guarantee*: every text is escaped; values of messages are hidden unless they are codes
//! ([`adapters::replay::drift::outline`]) or the tester asked for them.
//!
//! *Limits*: [`LINES_MAX`] lines of a message.

use std::fmt::Write as _;

use adapters::replay::{
    drift::{Codes, Drift, Kind, Line, outline},
    live::{Replayed, Seen, Verdict},
};
use jiff::tz::TimeZone;

use super::{
    summary::Run,
    timings::{millis, name},
};

/// More are not shown.
const LINES_MAX: usize = 600;
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
/// Where testers are.
const ZONE: &str = "Asia/Almaty";

/// The whole page.
pub(super) fn write(run: &Run, shows_values: bool) -> String {
    let verdict = run.verdict();
    let state = if run.is_good() { "passed" } else { "drift" };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Contract replay: {}</title>\n<style>\n{STYLE}</style></head>\n<body>\n",
        escaped(&verdict)
    );
    let began = run.started.to_zoned(TimeZone::get(ZONE).unwrap_or(TimeZone::UTC));
    push(
        &mut out,
        format_args!(
            "<header class=\"{state}\"><p class=\"kicker\">Contract replay</p><h1>{}</h1>\
             <p>{} · {} · {:.1} s</p></header>\n<main>\n",
            escaped(&capitalised(&verdict)),
            escaped(&run.target),
            began.strftime("%d.%m.%Y %H:%M %Z"),
            run.took.as_secs_f64()
        ),
    );
    tiles(&mut out, run);
    systems(&mut out, run);
    drifts(&mut out, run);
    filter(&mut out, run);
    out.push_str("<section id=\"cases\" aria-label=\"Cases\">\n");
    for one in in_order(run) {
        case(&mut out, one, shows_values);
    }
    out.push_str(
        "</section>\n<p id=\"none\" hidden>No case is left by this filter.</p>\n</main>\n",
    );
    footer(&mut out, shows_values);
    push(&mut out, format_args!("<script>\n{SCRIPT}</script>\n</body></html>\n"));
    out
}

/// What needs a look stands first.
fn in_order(run: &Run) -> Vec<&Replayed> {
    let order = [Verdict::Drift, Verdict::Unreached, Verdict::Passed, Verdict::Skipped];
    let with = |verdict| run.cases.iter().filter(move |one| one.verdict == verdict);
    order.into_iter().flat_map(with).collect()
}

fn tiles(out: &mut String, run: &Run) {
    out.push_str("<ul class=\"tiles\">\n");
    for verdict in Verdict::ALL {
        let (count, words) = (run.count(verdict), words(verdict));
        let is_none = if count == 0 { " none" } else { "" };
        push(
            out,
            format_args!(
                "<li class=\"{}{is_none}\"><b>{count}</b> <span>{words}</span></li>\n",
                verdict.name()
            ),
        );
    }
    out.push_str("</ul>\n");
}

fn systems(out: &mut String, run: &Run) {
    out.push_str(
        "<section><h2>Systems</h2><div class=\"scroll\"><table><thead><tr>\
         <th scope=\"col\">System</th>",
    );
    for verdict in Verdict::ALL {
        push(out, format_args!("<th scope=\"col\" class=\"n\">{}</th>", words(verdict)));
    }
    out.push_str("</tr></thead><tbody>\n");
    for (system, counts) in run.systems() {
        push(out, format_args!("<tr><th scope=\"row\">{}</th>", escaped(system)));
        for (verdict, count) in Verdict::ALL.iter().zip(counts) {
            let class = if count == 0 { "none" } else { verdict.name() };
            push(out, format_args!("<td class=\"n {class}\">{count}</td>"));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    let left_out = run.left_out();
    if !left_out.is_empty() {
        out.push_str("<details class=\"left-out\"><summary>Why cases were skipped</summary><ul>\n");
        for (reason, count) in left_out {
            push(out, format_args!("<li><b>{count}</b> {}</li>\n", escaped(&reason)));
        }
        out.push_str("</ul></details>\n");
    }
    out.push_str("</section>\n");
}

fn drifts(out: &mut String, run: &Run) {
    let drifted: Vec<&Replayed> =
        run.cases.iter().filter(|one| one.verdict == Verdict::Drift).collect();
    if drifted.is_empty() {
        return;
    }
    out.push_str("<section><h2>What drifted</h2><div class=\"scroll\">");
    out.push_str("<table class=\"drifts\"><thead><tr><th scope=\"col\">Case</th>");
    out.push_str(HEADS);
    for one in drifted {
        for (at, drift) in one.drifts.iter().enumerate() {
            let name = escaped(&name(one));
            let of = if at == 0 {
                format!("<a href=\"#{name}\">{name}</a>")
            } else {
                format!("<span class=\"again\">{name}</span>")
            };
            push(out, format_args!("<tr><td>{of}</td>{}</tr>\n", cells(drift)));
        }
    }
    out.push_str("</tbody></table></div></section>\n");
}

const HEADS: &str = "<th scope=\"col\">What</th><th scope=\"col\">Where</th>\
    <th scope=\"col\">Recorded</th><th scope=\"col\">Now</th></tr></thead><tbody>\n";

fn cells(drift: &Drift) -> String {
    let path = escaped(&drift.path).replace('/', "<wbr>/");
    let (expected, got) = (escaped(&drift.expected), escaped(&drift.got));
    format!(
        "<td>{}</td><td><code>{path}</code></td><td><ins>{expected}</ins></td>\
         <td><del>{got}</del></td>",
        drift.kind.words()
    )
}

fn filter(out: &mut String, run: &Run) {
    out.push_str("<h2>Cases</h2>\n<form class=\"filter\" hidden aria-label=\"Filter\">\n");
    out.push_str("<label>System <select id=\"system\"><option value=\"\">all</option>");
    for system in run.systems().into_keys() {
        push(out, format_args!("<option>{}</option>", escaped(system)));
    }
    out.push_str("</select></label>\n<fieldset><legend>Result</legend>");
    for verdict in Verdict::ALL {
        let (value, words) = (verdict.name(), words(verdict));
        push(
            out,
            format_args!(
                "<label class=\"{value}\"><input type=\"checkbox\" name=\"verdict\" \
                 value=\"{value}\" checked> {words}</label>"
            ),
        );
    }
    out.push_str(
        "</fieldset>\n<label>Text <input type=\"search\" id=\"text\" \
         placeholder=\"case, title, path\"></label>\n\
         <output id=\"shown\" aria-live=\"polite\"></output></form>\n",
    );
}

fn case(out: &mut String, one: &Replayed, shows_values: bool) {
    let (name, verdict) = (escaped(&name(one)), one.verdict.name());
    let took = one.took.map_or_else(String::new, |took| format!("{} ms", millis(took)));
    let open = if one.verdict == Verdict::Drift { " open" } else { "" };
    push(
        out,
        format_args!(
            "<details class=\"case {verdict}\" id=\"{name}\" data-system=\"{}\" \
             data-verdict=\"{verdict}\"{open}><summary><span class=\"chip\">{}</span> \
             <b>{name}</b> <span class=\"title\">{}</span> <span class=\"took\">{took}</span>\
             </summary>\n<p class=\"facts\"><code>{}</code>",
            escaped(&one.system),
            words(one.verdict),
            escaped(&one.title),
            escaped(&one.operation)
        ),
    );
    if let Some(ordered) = &one.ordered {
        push(out, format_args!(" · ordered from the simulator: <code>{}</code>", escaped(ordered)));
    }
    if !one.note.is_empty() {
        push(out, format_args!(" · {}", escaped(&one.note)));
    }
    out.push_str("</p>\n");
    if !one.drifts.is_empty() {
        out.push_str("<div class=\"scroll\"><table class=\"drifts\"><thead><tr>");
        out.push_str(HEADS);
        for drift in &one.drifts {
            push(out, format_args!("<tr>{}</tr>\n", cells(drift)));
        }
        out.push_str("</tbody></table></div>\n");
    }
    for seen in &one.seen {
        panes(out, seen, &one.drifts, shows_values);
    }
    out.push_str("</details>\n");
}

/// Request and answers side by side; of a case that passed, the recorded answer is the live one.
fn panes(out: &mut String, seen: &Seen, drifts: &[Drift], shows_values: bool) {
    let none = Codes::default();
    let lines = |bytes: &[u8], codes: &Codes| outline(seen.form, bytes, codes, shows_values);
    let status = seen.status.map_or_else(String::new, |status| format!(" · HTTP {status}"));
    out.push_str("<div class=\"panes\">");
    if !seen.request.is_empty() {
        pane(out, "Request", &lines(&seen.request, &none), &[], "");
    }
    if drifts.is_empty() {
        pane(
            out,
            &format!("Answer, as recorded{status}"),
            &lines(&seen.live, &seen.codes),
            &[],
            "",
        );
    } else {
        let recorded = lines(&seen.recorded, &seen.codes);
        pane(out, "Recorded answer", &recorded, drifts, "was");
        let live = lines(&seen.live, &seen.codes);
        pane(out, &format!("Answer now{status}"), &live, drifts, "is");
    }
    out.push_str("</div>\n");
}

fn pane(out: &mut String, title: &str, lines: &[Line], drifts: &[Drift], class: &str) {
    push(
        out,
        format_args!("<section class=\"pane\"><h3>{}</h3><pre tabindex=\"0\">", escaped(title)),
    );
    for line in lines.iter().take(LINES_MAX) {
        let found = drifts.iter().find(|drift| drift.path == line.path);
        let mark = found.map_or("", |drift| mark(drift.kind, class));
        let mut text = "  ".repeat(line.depth);
        text.push_str(if line.label.is_empty() { "·" } else { &line.label });
        if let Some(value) = &line.value {
            push(&mut text, format_args!(" {value}"));
        }
        let text = escaped(text.trim_end());
        if mark.is_empty() {
            push(out, format_args!("  {text}\n"));
        } else {
            push(out, format_args!("<mark class=\"{class}\">{mark} {text}</mark>\n"));
        }
    }
    if lines.len() > LINES_MAX {
        push(out, format_args!("  … {} more lines\n", lines.len() - LINES_MAX));
    }
    out.push_str("</pre></section>");
}

/// A sign, for those who do not see the colour.
const fn mark(kind: Kind, _class: &str) -> &'static str {
    match kind {
        Kind::NewElement => "+",
        Kind::MissingElement => "−",
        Kind::ChangedCode
        | Kind::ChangedOrder
        | Kind::ChangedCount
        | Kind::ChangedForm
        | Kind::HttpStatus
        | Kind::Schema
        | Kind::Outcome
        | Kind::Slower => "≠",
    }
}

fn footer(out: &mut String, shows_values: bool) {
    let values = if shows_values {
        "All values are shown (<code>--show-values</code>): they may be personal. Do not mail this page."
    } else {
        "Only codes are shown; every other value reads <code>···</code>, in requests too. \
         <code>--show-values</code> shows them."
    };
    push(
        out,
        format_args!(
            "<footer><p>{values}</p><p>Compared: elements, their order and number, attributes, codes, \
             HTTP status, schema, and what the hub makes of the answer. Names, dates and numbers \
             are not compared. How to read it: <code>contracts/README.md</code>.</p>\
             <p>hub {}</p></footer>\n",
            env!("CARGO_PKG_VERSION")
        ),
    );
}

const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Drift => "drift",
        Verdict::Skipped => "skipped",
        Verdict::Unreached => "no answer",
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    if out.write_fmt(text).is_err() {
        out.push('…');
    }
}
