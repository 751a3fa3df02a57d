//! WSDLs for clients that nobody here wrote, made from `contracts/systems`.
//!
//! `GET /<system>/?wsdl` is the service, `?xsd=<folder>/<file>` a schema of it. Addresses in both are
//! the ones that the client used. The gateway's own schemas say `anyType` for `data`; here they name
//! the system's payload, so that a toolkit knows its types.
//!
//! *What this does not do*: a payload that travels as text (GBD UL) or names its type by `xsi:type`
//! (MZ RK) stays `anyType`.

use std::path::Path;

use axum::{
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};

use super::{
    Simulation, envelope, locked, misread::Misread, reply::Reply, shelf::built_in,
    template::escape, wire::Line, xml,
};

/// A SOAP service of a system.
#[derive(Debug, Clone, Copy)]
pub enum Speaks {
    /// SHEP's synchronous channel, with this payload.
    Synchronous(Data),
    /// SHEP's asynchronous channel, with this payload.
    Asynchronous(Data),
    /// Elements `…Request` and `…Response` of an own schema: its file and namespace.
    Own(&'static str, &'static str),
}

/// What stands in `data`.
#[derive(Debug, Clone, Copy)]
pub enum Data {
    /// Anything; the schema is there for those who name its types.
    Any(&'static str, &'static str),
    /// Fields of a type: file, namespace, name.
    Type(&'static str, &'static str, &'static str),
    /// One of these elements in no namespace: file, their type, names.
    Bare(&'static str, &'static str, [&'static str; 2]),
    /// One of these elements: file, namespace, names.
    Elements(&'static str, &'static str, [&'static str; 2]),
}

const XS: &str = "http://www.w3.org/2001/XMLSchema";
const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const WSDL_SOAP: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
/// What the schemas of both channels say of the payload.
const ANY: &str = "name=\"data\" type=\"xs:anyType\"";
const ASYNC_OPERATIONS: [&str; 4] =
    ["sendMessage", "getMessages", "getMessageStatus", "sendDeliveryNotification"];

/// An operation: name, elements of request, answer and fault.
struct Operation {
    name: String,
    request: String,
    response: String,
    fault: Option<String>,
}

/// A port of the service.
struct Port {
    name: &'static str,
    namespace: &'static str,
    file: String,
    operations: Vec<Operation>,
}

/// Answers `?wsdl` and `?xsd=…`. `None`: the query asks something else.
pub(super) fn answer(simulation: &Simulation, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    let query = uri.query()?;
    let (word, value) = query.split_once('=').unwrap_or((query, ""));
    let system = uri.path().split('/').nth(1).unwrap_or_default();
    let speaks = locked(&simulation.profiles).get(system).map(|profile| profile.speaks)?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let address = format!("http://{host}{}", uri.path());
    let text = match word.to_ascii_lowercase().as_str() {
        "wsdl" | "singlewsdl" if !speaks.is_empty() => Some(service(system, speaks, &address)),
        "wsdl" => None,
        "xsd" => schema(value, speaks, &address),
        _ => return None,
    };
    let Some(text) = text else {
        let words = "there is no such WSDL or schema; ask a SOAP service for ?wsdl";
        return Some(Misread::json(404, words, simulation.now()).into_response());
    };
    Some(Reply::Xml(200, text.into_bytes()).into_response(&Line::default()))
}

/// A schema, with its imports and the type of `data` made whole.
fn schema(name: &str, speaks: &[Speaks], address: &str) -> Option<String> {
    let is_schema = Path::new(name).extension().is_some_and(|end| end == "xsd");
    if !is_schema || name.contains("/cases/") {
        return None;
    }
    let text = String::from_utf8_lossy(built_in(name)?).into_owned();
    let folder = name.split_once('/').map_or("", |(folder, _)| folder);
    let mut text = with_addresses(&text, folder, address);
    let data = speaks.iter().find_map(|speaks| match speaks {
        Speaks::Synchronous(data) => (name == "shep/sync.xsd").then_some(data),
        Speaks::Asynchronous(data) => (name == "shep/async.xsd").then_some(data),
        Speaks::Own(..) => None,
    });
    if let Some(data) = data {
        text = with_payload(&text, *data, address);
    }
    let both = speaks.iter().find_map(|speaks| match speaks {
        Speaks::Synchronous(Data::Type(file, _, both)) => (*file == name).then_some(both),
        Speaks::Synchronous(Data::Any(..) | Data::Bare(..) | Data::Elements(..))
        | Speaks::Asynchronous(_)
        | Speaks::Own(..) => None,
    });
    Some(both.and_then(|both| one_way_each(&text, both)).unwrap_or(text))
}

/// A type whose last part is a choice between the groups `Request` and `Response`, once more for each
/// way: toolkits read a sequence more surely than a choice of groups.
fn one_way_each(text: &str, name: &str) -> Option<String> {
    let head = format!("<xs:complexType name=\"{name}\">");
    let end = "</xs:complexType>";
    let from = text.find(&head)?;
    let to = from + text[from..].find(end)? + end.len();
    let both = &text[from..to];
    let (before, choice) = both.split_once("<xs:choice><xs:group ref=")?;
    let (choice, after) = choice.split_once("</xs:choice>")?;
    let prefix = choice.trim_start_matches('"').split("Request").next()?;
    let one = |way: &str| {
        let before = before.replace(&head, &format!("<xs:complexType name=\"{name}{way}\">"));
        let group = format!("<xs:group ref=\"{prefix}{way}\"/>");
        // A sequence around it, where the choice was all there is.
        let has_sequence = before.contains("<xs:sequence>");
        let group =
            if has_sequence { group } else { format!("<xs:sequence>{group}</xs:sequence>") };
        format!("  {before}{group}{after}\n")
    };
    Some(format!("{}{}{}{}", &text[..to], one("Request").trim_end(), one("Response"), &text[to..]))
}

/// `schemaLocation`s that lead back here.
fn with_addresses(text: &str, folder: &str, address: &str) -> String {
    let mut out = String::with_capacity(text.len() + 200);
    let mut rest = text;
    while let Some((before, (location, after))) = rest
        .split_once("schemaLocation=\"")
        .and_then(|(before, rest)| Some((before, rest.split_once('"')?)))
    {
        let name = match location.strip_prefix("../") {
            Some(name) => name.to_owned(),
            None => format!("{folder}/{location}"),
        };
        out.push_str(&format!(
            "{before}schemaLocation=\"{}\"",
            escape(&format!("{address}?xsd={name}"))
        ));
        rest = after;
    }
    out + rest
}

/// The schema of a channel with the system's payload in `data`.
///
/// A schema without a namespace is included and not imported: its types become the channel's own,
/// their elements stay without a namespace, and every toolkit finds them.
fn with_payload(text: &str, data: Data, address: &str) -> String {
    let (file, namespace) = match data {
        Data::Any(file, namespace)
        | Data::Type(file, namespace, _)
        | Data::Elements(file, namespace, _) => (file, namespace),
        Data::Bare(file, ..) => (file, ""),
    };
    let location = escape(&format!("{address}?xsd={file}")).into_owned();
    let (prefix, joined) = if namespace.is_empty() {
        ("t", format!("  <xs:include schemaLocation=\"{location}\"/>\n"))
    } else {
        let import =
            format!("<xs:import namespace=\"{namespace}\" schemaLocation=\"{location}\"/>");
        ("payload", format!("  {import}\n"))
    };
    let at = text.find("  <xs:import").unwrap_or(0);
    let text = format!("{}{joined}{}", &text[..at], &text[at..]);
    let declared = format!("<xs:schema xmlns:payload=\"{namespace}\"");
    let text = if namespace.is_empty() { text } else { text.replacen("<xs:schema", &declared, 1) };
    let elements = match data {
        Data::Any(..) => return text,
        Data::Type(_, _, name) => {
            // The request comes first in the channel's schema, then the answer.
            let of = |way: &str| format!("name=\"data\" type=\"{prefix}:{name}{way}\"");
            return text.replacen(ANY, &of("Request"), 1).replacen(ANY, &of("Response"), 1);
        }
        Data::Elements(_, _, names) => {
            names.map(|name| format!("<xs:element ref=\"{prefix}:{name}\"/>")).concat()
        }
        Data::Bare(_, kind, names) => {
            names.map(|name| format!("<xs:element name=\"{name}\" type=\"t:{kind}\"/>")).concat()
        }
    };
    let body =
        format!("><xs:complexType><xs:choice>{elements}</xs:choice></xs:complexType></xs:element>");
    let synchronous = format!("{ANY} minOccurs=\"0\"/>");
    let text = text.replace(&synchronous, &format!("name=\"data\" minOccurs=\"0\"{body}"));
    text.replace(&format!("{ANY}/>"), &format!("name=\"data\"{body}"))
}

/// The WSDL of a system: all its ports at one address.
fn service(system: &str, speaks: &[Speaks], address: &str) -> String {
    let ports: Vec<Port> = speaks.iter().map(|one| port(*one)).collect();
    let target = format!("{}/wsdl", ports.first().map_or("", |port| port.namespace));
    let mut imports = String::new();
    let (mut messages, mut types, mut bindings) = (String::new(), String::new(), String::new());
    let mut places = String::new();
    for (at, port) in ports.iter().enumerate() {
        let location = escape(&format!("{address}?xsd={}", port.file)).into_owned();
        imports.push_str(&format!(
            "<xs:import namespace=\"{}\" schemaLocation=\"{location}\"/>",
            port.namespace
        ));
        let (name, prefix) = (port.name, format!("e{at}"));
        types.push_str(&format!("<portType name=\"{name}\">"));
        bindings.push_str(&format!(
            "<binding name=\"{name}Soap\" type=\"tns:{name}\"><soap:binding style=\"document\" \
             transport=\"http://schemas.xmlsoap.org/soap/http\"/>"
        ));
        for one in &port.operations {
            write_operation(one, name, &prefix, &mut messages, &mut types, &mut bindings);
        }
        types.push_str("</portType>\n");
        bindings.push_str("</binding>\n");
        places.push_str(&format!(
            "<port name=\"{name}Port\" binding=\"tns:{name}Soap\">\
             <soap:address location=\"{}\"/></port>",
            escape(address)
        ));
    }
    let prefixes: String = ports
        .iter()
        .enumerate()
        .map(|(at, port)| format!(" xmlns:e{at}=\"{}\"", port.namespace))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <definitions xmlns=\"{WSDL}\" xmlns:soap=\"{WSDL_SOAP}\" xmlns:xs=\"{XS}\" \
         xmlns:tns=\"{target}\"{prefixes} targetNamespace=\"{target}\" name=\"{system}\">\n\
         <types><xs:schema>{imports}</xs:schema></types>\n{messages}{types}{bindings}\
         <service name=\"{system}\">{places}</service>\n</definitions>\n"
    )
}

fn write_operation(
    operation: &Operation,
    port: &str,
    prefix: &str,
    messages: &mut String,
    types: &mut String,
    bindings: &mut String,
) {
    let Operation { name, request, response, fault } = operation;
    let parts =
        [("Request", Some(request)), ("Response", Some(response)), ("Fault", fault.as_ref())];
    for (part, element) in parts {
        if let Some(element) = element {
            messages.push_str(&format!(
                "<message name=\"{port}_{name}{part}\">\
                 <part name=\"parameters\" element=\"{prefix}:{element}\"/></message>\n"
            ));
        }
    }
    types.push_str(&format!(
        "<operation name=\"{name}\"><input message=\"tns:{port}_{name}Request\"/>\
         <output message=\"tns:{port}_{name}Response\"/>"
    ));
    bindings.push_str(&format!(
        "<operation name=\"{name}\"><soap:operation soapAction=\"\" style=\"document\"/>\
         <input><soap:body use=\"literal\"/></input><output><soap:body use=\"literal\"/></output>"
    ));
    if let Some(fault) = fault {
        types.push_str(&format!("<fault name=\"{fault}\" message=\"tns:{port}_{name}Fault\"/>"));
        bindings.push_str(&format!(
            "<fault name=\"{fault}\"><soap:fault name=\"{fault}\" use=\"literal\"/></fault>"
        ));
    }
    types.push_str("</operation>");
    bindings.push_str("</operation>");
}

fn port(speaks: Speaks) -> Port {
    let shep = |name: &str| Operation {
        name: name.to_owned(),
        request: name.to_owned(),
        response: format!("{name}Response"),
        fault: Some(format!("{name}Fault1_{name}Fault")),
    };
    match speaks {
        Speaks::Synchronous(_) => Port {
            name: "ISyncChannel",
            namespace: envelope::SYNC,
            file: "shep/sync.xsd".to_owned(),
            operations: vec![shep("SendMessage")],
        },
        Speaks::Asynchronous(_) => Port {
            name: "IAsyncChannel",
            namespace: envelope::ASYNC,
            file: "shep/async.xsd".to_owned(),
            operations: ASYNC_OPERATIONS.map(shep).into(),
        },
        Speaks::Own(file, namespace) => {
            let operations = own_operations(file);
            Port { name: "IService", namespace, file: file.to_owned(), operations }
        }
    }
}

/// Every element `…Request` of a schema that has a `…Response`.
fn own_operations(file: &str) -> Vec<Operation> {
    let root = xml::parse(built_in(file).unwrap_or_default()).unwrap_or_default();
    let elements = root.children.iter().filter(|child| child.name == "element");
    let names: Vec<&str> = elements.map(|element| element.attribute("name")).collect();
    let stems = names.iter().filter_map(|name| name.strip_suffix("Request"));
    stems
        .map(|stem| (stem, format!("{stem}Response")))
        .filter(|(_, response)| names.contains(&response.as_str()))
        .map(|(stem, response)| Operation {
            name: stem.to_owned(),
            request: format!("{stem}Request"),
            response,
            fault: None,
        })
        .collect()
}
