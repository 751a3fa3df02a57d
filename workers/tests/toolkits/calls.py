import base64, datetime, os, uuid
from zeep import Client, xsd
from zeep.exceptions import Fault

base = os.environ["SIMULATORS"]
date = datetime.datetime(2026, 3, 2, 10, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))
number = lambda: str(uuid.uuid4())
info = lambda service: {"messageId": number(), "serviceId": service, "messageDate": date,
                        "sender": {"senderId": "team"}}

gbdfl = Client(f"{base}/gbdfl/?wsdl").service
data = {"messageId": "team-1", "messageDate": date, "senderCode": "TEAM", "iin": "850100300012",
        "kdpToken": xsd.SkipValue, "publicKey": xsd.SkipValue}
answer = gbdfl.SendMessage(request={"requestInfo": info("GBDFL_UniversalServiceSync"),
                                    "requestData": {"data": data}})
person = answer.responseData.data.persons.person[0]
assert answer.responseInfo.status.code == "SCSS001", answer
assert person.iin == "850100300012" and person.birthDate == datetime.date(1985, 1, 15), person.birthDate
try:
    gbdfl.SendMessage(request={"requestInfo": info("GBDFL_Sync"), "requestData": {"data": data}})
    raise SystemExit("a wrong serviceId must be a fault")
except Fault as fault:
    assert "serviceId GBDFL_Sync instead of GBDFL_UniversalServiceSync" in fault.message, fault.message

mgov = Client(f"{base}/mgov/?wsdl").service
answer = mgov.SendMessage(request={"requestInfo": info("MCDB_SERVICE"), "requestData": {"data": {
    "operation": "CHECK", "requestId": number(), "uin": "850100300012", "phone": "77000000001"}}})
assert answer.responseData.data.status == "SIM-MATCH", answer

kpsisu = Client(f"{base}/kpsisu/?wsdl").service
request = number()
answer = kpsisu.sendMessage(request={
    "messageInfo": {"serviceId": "sim.kpsisu.criminalRecord", "messageType": "REQUEST",
                    "messageDate": date, "sender": {"senderId": "team"}},
    "messageData": {"data": {"requestMessage": {
        "SystemInfo": {"RequestNumber": request, "ChainId": request, "RequestDate": date},
        "RequestData": {"RequestorBIN": "990140000007", "Purpose": "SIM-LICENSE",
                        "Person": {"IIN": "850100300012"}}}}}})
assert answer.correlationId.isdigit() and answer.messageId.isdigit(), answer

kazpost = Client(f"{base}/kazpost/?wsdl").service
letter = lambda: kazpost.GetAddrLetter(Key="0" * 32, AddrInfo={
    "RcpnName": "TEST", "RcpnPhone": "7000000001", "RcpnIndex": "010000", "RcpnCity": "Astana",
    "RcpnStreet": "Test", "RcpnHouse": "1", "SndrBIN": "990140000007", "SndrName": "TEAM",
    "SndrPhone": "7000000002", "SndrIndex": "010000", "SndrCity": "Astana", "SndrStreet": "Test",
    "SndrHouse": "2", "Weight": "0.100", "ProductCode": "P103", "SendMethod": "1", "MailCtg": "1",
    "OrderNum": number(), "MailCount": 1})
# One number in twenty comes without its label.
answer = next((a for a in (letter() for _ in range(9)) if "AddrLetPdf" in str(a)), None)
assert answer, "nine numbers, and no label"
# The schema lets its elements come in any order: zeep makes a list of them.
said = next(part for part in answer if "ResponseInfo" in part)["ResponseInfo"]
assert said.ResponseCode == "0", answer
labels = [part[name] for part in answer for name in part if name.startswith("AddrLetPdf")]
assert base64.b64decode(labels[0]).startswith(b"%PDF"), answer
print("all answers are right")
