//! SOAP requests written, answers read (kazpost §2-§4).
//!
//! *Guarantee*: answers are matched by namespace, never by prefix, and read by local name: the
//! element of the number drifted (`Barcode`, `Barcodes`), and so did that of the label (`AddrLetPdf`,
//! `AddrLetPdfs`). Our key is written by the transport alone.
//!
//! *Limits*: a label has at most [`LABEL_BYTES_MAX`] bytes and begins with `%PDF`.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use contracts::s10::TrackNumber;

use super::{
    failures::Cause,
    input::{Address, PhoneForm},
    label::Input,
    office::ParcelForm,
};
use crate::transport::{
    kazpost::{Envelope, NAMESPACE, Soap},
    soap::{self, Body},
    xml::{Document, Element, Writer},
};

/// Done.
pub(super) const CODE_DONE: &str = "0";
/// This order number was used before: nothing was issued, the earlier number comes (kazpost §4).
pub(super) const CODE_REPLAYED: &str = "20012";
/// Our key is not known (DESIGNED).
pub(super) const CODE_KEY: &str = "SIM-KEY";
/// No numbers are left (DESIGNED).
pub(super) const CODE_RANGE: &str = "SIM-RANGE";
/// `Status` of a cancelled number (DESIGNED).
pub(super) const STATUS_CANCELLED: &str = "SIM-CANCELLED";

/// Longer labels are not taken.
pub(super) const LABEL_BYTES_MAX: usize = 2 * 1024 * 1024;

const PDF: &[u8] = b"%PDF";
/// With a declared value the parcel is one «с объявленной ценностью» (kazpost §5).
const CATEGORY_DECLARED: &str = "2";
/// Non-residents, and whoever does not say (kazpost §3).
const BIN_NONE: &str = "000000000000";

/// An answer's elements.
#[derive(Clone, Copy)]
pub(super) struct Response<'d> {
    root: Element<'d>,
    /// `ResponseInfo/ResponseCode`.
    pub(super) code: Option<&'d str>,
}

/// `GetAddrLetter`: a number and a label, in the order of `AddrInfo` (kazpost §3).
pub(super) fn get_label(
    soap: &Soap,
    form: &ParcelForm,
    order_number: &str,
    input: &Input,
) -> Result<Envelope, Cause> {
    let mut envelope = Envelope::default();
    open(&mut envelope.xml, "GetAddrLetterRequest");
    soap.write_key(&mut envelope, "p:Key");
    let xml = &mut envelope.xml;
    xml.open("p:AddrInfo");
    let to = &input.recipient;
    xml.optional("p:RcpnIIN", to.iin.as_ref().map(contracts::number::Iin::expose));
    xml.leaf("p:RcpnName", to.name.expose().trim());
    xml.leaf("p:RcpnPhone", &phone(form.phone, to.phone.expose())?);
    address(xml, &to.address, ["p:RcpnIndex", "p:RcpnCity", "p:RcpnStreet", "p:RcpnHouse"]);
    let from = &input.sender;
    xml.leaf("p:SndrBIN", from.bin.as_ref().map_or(BIN_NONE, contracts::number::Bin::expose));
    xml.leaf("p:SndrName", from.name.expose().trim());
    xml.leaf("p:SndrPhone", &phone(form.phone, from.phone.expose())?);
    address(xml, &from.address, ["p:SndrIndex", "p:SndrCity", "p:SndrStreet", "p:SndrHouse"]);
    let grams = input.weight_g;
    xml.leaf("p:Weight", &format!("{}.{:03}", grams / 1_000, grams % 1_000));
    let declared = input.declared_value.map(|tenge| tenge.to_string());
    xml.optional("p:DeclaredValue", declared.as_deref());
    xml.leaf("p:ProductCode", &form.product_code).leaf("p:SendMethod", &form.send_method);
    let category = declared.as_ref().map_or(form.mail_category.as_str(), |_| CATEGORY_DECLARED);
    xml.leaf("p:MailCtg", category);
    xml.leaf("p:OrderNum", order_number).leaf("p:MailCount", "1");
    xml.optional("p:DEA_NUMBER", form.contract_number.as_deref());
    xml.close("p:AddrInfo").close("p:GetAddrLetterRequest");
    Ok(envelope)
}

/// `GetAddrLetterUsingBarcode`: the label once more; spends nothing.
pub(super) fn get_label_again(number: &TrackNumber) -> Envelope {
    one_field("GetAddrLetterUsingBarcodeRequest", "p:barcode", number.expose())
}

/// `GetBarCodeFromOrderNum`: what became of an order number; spends nothing.
pub(super) fn find_number(order_number: &str) -> Envelope {
    one_field("GetBarCodeFromOrderNumRequest", "p:ordernum", order_number)
}

/// `GetBarcodeInfo`: what is known of a number; spends nothing.
pub(super) fn look_at(number: &TrackNumber) -> Envelope {
    one_field("GetBarcodeInfoRequest", "p:Barcode", number.expose())
}

/// `PunDoInsert`: gives a number back. The numbers travel as a document of their own, in base64.
pub(super) fn cancel(soap: &Soap, number: &TrackNumber, order_number: &str) -> Envelope {
    let mails = format!("<MAILS><MAIL><BARCODE>{}</BARCODE></MAIL></MAILS>", number.expose());
    let mut envelope = Envelope::default();
    open(&mut envelope.xml, "PunDoInsertRequest");
    envelope.xml.leaf("p:barCode", &STANDARD.encode(mails)).leaf("p:ordernum", order_number);
    soap.write_key(&mut envelope, "p:key");
    envelope.xml.close("p:PunDoInsertRequest");
    envelope
}

impl<'d> Response<'d> {
    /// Reads the answer of an operation: `GetAddrLetterResponse`.
    pub(super) fn read(document: &'d Document, name: &str) -> Option<Self> {
        let Ok(Body::Content(root)) = soap::body(document) else { return None };
        if root.local() != name || root.namespace() != Some(NAMESPACE) {
            return None;
        }
        let code = match root.only("ResponseInfo").ok()? {
            Some(info) => info.only("ResponseCode").ok()?.and_then(Element::value),
            None => None,
        };
        Some(Self { root, code })
    }

    /// The number, where one came. Its element may be repeated with the same number in it.
    pub(super) fn number(self) -> Result<Option<TrackNumber>, Cause> {
        let mut found: Option<&str> = None;
        for text in self.values(&["barcode", "barcodes"]) {
            if found.is_some_and(|known| known != text) {
                return Err(Cause::SeveralNumbers);
            }
            found = Some(text);
        }
        found.map(|text| text.parse().map_err(|_| Cause::NumberBroken)).transpose()
    }

    /// The label, where a readable one came.
    pub(super) fn label(self) -> Option<Bytes> {
        self.values(&["addrletpdf", "addrletpdfs"]).find_map(pdf)
    }

    /// `Status` of `GetBarcodeInfo`.
    pub(super) fn status(self) -> Option<&'d str> {
        self.root.child_value("Status")
    }

    fn values(self, names: &'static [&'static str]) -> impl Iterator<Item = &'d str> {
        let is_named =
            |one: &Element<'d>| names.iter().any(|name| one.local().eq_ignore_ascii_case(name));
        self.root.descendants().filter(is_named).filter_map(Element::value)
    }
}

fn one_field(request: &str, field: &str, value: &str) -> Envelope {
    let mut envelope = Envelope::default();
    open(&mut envelope.xml, request);
    envelope.xml.leaf(field, value).close(&format!("p:{request}"));
    envelope
}

fn open(xml: &mut Writer, request: &str) {
    xml.raw("<p:").raw(request).raw(" xmlns:p=\"").raw(NAMESPACE).raw("\">");
}

fn address(xml: &mut Writer, address: &Address, names: [&str; 4]) {
    let [index, city, street, house] = names;
    xml.leaf(index, &address.postcode).leaf(city, address.city.expose().trim());
    xml.leaf(street, address.street.expose().trim()).leaf(house, address.house.expose().trim());
}

fn phone(form: PhoneForm, phone: &str) -> Result<String, Cause> {
    form.write(phone).ok_or(Cause::Input)
}

fn pdf(text: &str) -> Option<Bytes> {
    let dense: String = text.split_ascii_whitespace().collect();
    if dense.len() / 4 * 3 > LABEL_BYTES_MAX {
        return None;
    }
    STANDARD.decode(dense).ok().filter(|bytes| bytes.starts_with(PDF)).map(Bytes::from)
}
