"""The Enrolment service: a token in, a certificate out."""

import hashlib
from dataclasses import dataclass

import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from limbeck_common.wire.v1 import enrolment_pb2 as pb
from limbeck_common.wire.v1.enrolment_pb2_grpc import EnrolmentServicer
from limbeck_server.pki.authority import KeyPair, public_key, sign_request
from limbeck_server.pki.registry import Registry
from limbeck_server.rpc.authentication import CallContext
from limbeck_server.rpc.errors import refusing

_log = structlog.get_logger()


@dataclass
class EnrolmentService(EnrolmentServicer):
    """See proto/limbeck_common/wire/v1/enrolment.proto."""

    ca: KeyPair
    registry: Registry

    async def Enrol(self, request: pb.EnrolRequest, context: CallContext) -> pb.EnrolResponse:
        async with refusing(context):
            asked = request.signing_request
            key = public_key(asked).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

            def issue(name: str, role: str) -> bytes:
                _log.info("enrolled", name=name, role=role, peer=context.peer())
                return sign_request(self.ca, asked, name, role)

            digest = hashlib.sha256(key).digest()
            certificate = self.registry.redeem(request.token_id, request.secret, digest, issue)
        return pb.EnrolResponse(certificate=certificate)
