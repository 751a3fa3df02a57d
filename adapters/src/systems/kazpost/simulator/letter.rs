//! What the SOAP service writes: envelopes, faults, and a label that is a real PDF.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use crate::simulation::{chance::Chance, envelope, template::escape};

/// Namespace of every operation (kazpost §1).
pub(super) const NAMESPACE: &str = "http://webservices.kazpost.kz/postratesws";

/// Which elements hold number and label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    Old,
    New,
    Both,
}

impl Elements {
    const ALL: [Self; 3] = [Self::New, Self::Old, Self::Both];

    /// Any of them.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        chance.pick(&Self::ALL)
    }

    /// The elements of a number.
    pub(super) fn number(self, number: &str) -> String {
        match self {
            Self::Old => leaf("Barcode", number),
            Self::New => leaf("Barcodes", number),
            Self::Both => leaf("Barcode", number) + &leaf("Barcodes", number),
        }
    }

    /// The element of a label that is text already.
    pub(super) fn label(self, text: &str) -> String {
        match self {
            Self::Old => leaf("AddrLetPdf", text),
            Self::New | Self::Both => leaf("AddrLetPdfs", text),
        }
    }
}

/// `<ns2:name>text</ns2:name>`.
pub(super) fn leaf(name: &str, text: &str) -> String {
    format!("<ns2:{name}>{}</ns2:{name}>", escape(text))
}

/// `ResponseInfo`.
pub(super) fn info(code: &str, text: &str, now: Timestamp) -> String {
    let time = envelope::date_time_without_offset(now);
    let (code, text) = (leaf("ResponseCode", code), leaf("ResponseText", text));
    format!("<ns2:ResponseInfo>{code}{text}{}</ns2:ResponseInfo>", leaf("ResponseGenTime", &time))
}

/// A whole answer; another prefix in a quarter of the cases.
pub(super) fn answer(response: &str, content: &str, chance: &mut Chance) -> Vec<u8> {
    let text = format!(
        "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{soap}\"><SOAP-ENV:Header/><SOAP-ENV:Body>\
         <ns2:{response} xmlns:ns2=\"{NAMESPACE}\">{content}</ns2:{response}>\
         </SOAP-ENV:Body></SOAP-ENV:Envelope>",
        soap = envelope::SOAP
    );
    if chance.permille() < 750 {
        return text.into_bytes();
    }
    let text = text.replace("xmlns:ns2=", "xmlns=").replace("<ns2:", "<").replace("</ns2:", "</");
    format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}\n").into_bytes()
}

/// A fault with these words.
pub(super) fn fault(words: &str) -> Vec<u8> {
    format!(
        "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{soap}\"><SOAP-ENV:Body><SOAP-ENV:Fault>\
         <faultcode>SOAP-ENV:Server</faultcode><faultstring xml:lang=\"en\">{words}</faultstring>\
         </SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>",
        soap = envelope::SOAP,
        words = escape(words)
    )
    .into_bytes()
}

/// A label: one page of A5 with the number on it, in lines of 76 characters.
pub(super) fn label(number: &str) -> String {
    let encoded = STANDARD.encode(pdf(number));
    let lines = encoded.as_bytes().chunks(76).map(String::from_utf8_lossy);
    lines.map(|line| format!("{line}\n")).collect()
}

/// A PDF with right offsets: viewers open it without mending it.
fn pdf(number: &str) -> Vec<u8> {
    let text = format!("BT /F1 24 Tf 60 500 Td (SIMULATED {number}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 595] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut out = String::from("%PDF-1.4\n");
    let mut places = String::from("0000000000 65535 f \n");
    for (at, object) in objects.iter().enumerate() {
        places.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.push_str(&format!("{} 0 obj\n{object}\nendobj\n", at + 1));
    }
    let (size, start) = (objects.len() + 1, out.len());
    out.push_str(&format!(
        "xref\n0 {size}\n{places}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_of_a_label_lead_to_its_objects() {
        let pdf = String::from_utf8(pdf("AP000000014KZ")).expect("ASCII");
        let (_, table) = pdf.split_once("0000000000 65535 f \n").expect("a table");
        for (at, line) in table.lines().take(5).enumerate() {
            let offset: usize = line[..10].parse().expect("digits");
            assert!(pdf[offset..].starts_with(&format!("{} 0 obj", at + 1)), "{line}");
        }
        let start = pdf.rsplit("startxref\n").next().and_then(|rest| rest.lines().next());
        let start: usize = start.expect("a place").parse().expect("digits");
        assert!(pdf[start..].starts_with("xref\n"));
    }
}
