"""boto3, as it is, against a node. Arguments: endpoint, bucket; then pairs of access key id and secret: of a job that
writes, of a pull request, of a job of another repository, of an expired job."""

import base64
import datetime
import hashlib
import io
import random
import sys
import time
import urllib.error
import urllib.request

import boto3
import botocore.auth
import botocore.compat
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1024 * 1024
ENDPOINT, BUCKET, *KEYS = sys.argv[1:]
WRITER, PULL, OTHER, EXPIRED = zip(KEYS[0::2], KEYS[1::2])


def client(keys, s3=None, **options):
    config = Config(
        # For addresses, botocore still takes version 2 by itself.
        signature_version="s3v4",
        retries={"max_attempts": 1},
        s3={"addressing_style": "path", **(s3 or {})},
        proxies={},
        **options,
    )
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=config,
    )


s3, pull, other, expired = client(WRITER), client(PULL), client(OTHER), client(EXPIRED)


def refused(code, call, *positional, **arguments):
    try:
        call(*positional, **arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, (code, error.response)
        return error.response
    raise AssertionError(f"{code} was expected of {str((positional, arguments)):.300}")


def body(key, who=s3, **arguments):
    return who.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read()


def url(method, url, data=None, headers=None):
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def objects():
    data = bytes(range(256)) * 3000
    stored = s3.put_object(Bucket=BUCKET, Key="a/b c/ü+&.txt", Body=data)
    again = s3.put_object(Bucket=BUCKET, Key="a/b c/ü+&.txt", Body=data)
    head = s3.head_object(Bucket=BUCKET, Key="a/b c/ü+&.txt")
    got = s3.get_object(Bucket=BUCKET, Key="a/b c/ü+&.txt")
    assert got["Body"].read() == data
    assert stored["ETag"] == again["ETag"] == head["ETag"] == got["ETag"], (stored, again, head, got)
    assert head["ContentLength"] == len(data)
    age = datetime.datetime.now(datetime.timezone.utc) - head["LastModified"]
    assert abs(age) < datetime.timedelta(minutes=5), age
    refused("304", s3.get_object, Bucket=BUCKET, Key="a/b c/ü+&.txt", IfNoneMatch=got["ETag"])
    refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="a/b c/ü+&.txt", IfMatch='"other"')
    assert body("a/b c/ü+&.txt", IfMatch=got["ETag"]) == data
    # What is there does not change, and nobody is told that it did.
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="a/b c/ü+&.txt", Body=b"other")
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="a/b c/ü+&.txt", Body=data, IfNoneMatch="*")
    assert body("a/b c/ü+&.txt") == data
    s3.put_object(Bucket=BUCKET, Key="new", Body=b"", IfNoneMatch="*")
    assert body("new") == b""
    refused("404", s3.head_object, Bucket=BUCKET, Key="nothing")
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="nothing")
    for key in ("new", "new", "nothing"):
        s3.delete_object(Bucket=BUCKET, Key=key)
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="new")


def parts():
    data = bytes(n * 7 % 251 for n in range(700_001))
    s3.put_object(Bucket=BUCKET, Key="parts", Body=data)
    for text, part in [
        ("bytes=0-0", data[:1]),
        ("bytes=65535-65536", data[65_535:65_537]),
        ("bytes=100000-", data[100_000:]),
        ("bytes=-7", data[-7:]),
        ("bytes=700000-900000", data[700_000:]),
        ("bytes=1-2,4-5", data),
    ]:
        got = s3.get_object(Bucket=BUCKET, Key="parts", Range=text)
        assert got["Body"].read() == part, text
        assert ("ContentRange" in got) == (part is not data), got
    got = s3.get_object(Bucket=BUCKET, Key="parts", Range="bytes=5-9")
    assert (got["ContentRange"], got["ContentLength"]) == ("bytes 5-9/700001", 5), got
    refused("InvalidRange", s3.get_object, Bucket=BUCKET, Key="parts", Range="bytes=700001-")
    into = io.BytesIO()
    s3.download_fileobj(BUCKET, "parts", into)
    assert into.getvalue() == data


def remarks():
    about = {"ContentType": "text/x-rust", "ContentEncoding": "gzip", "Metadata": {"made-by": "job 7 & 8", "b": "1"}}
    s3.put_object(Bucket=BUCKET, Key="remarks", Body=b"x", **about)
    for got in (s3.head_object(Bucket=BUCKET, Key="remarks"), s3.get_object(Bucket=BUCKET, Key="remarks")):
        assert {name: got[name] for name in about} == about, got
    refused("MetadataTooLarge", s3.put_object, Bucket=BUCKET, Key="large", Body=b"", Metadata={"a": "x" * 2048})


def lists():
    keys = sorted(["l/a/1", "l/a/2", "l/a 3", "l/b&c", "l/ü+", "l/z/1/2", "l/z/3"] + [f"l/many/{n:03}" for n in range(25)])
    for key in keys:
        s3.put_object(Bucket="lists", Key=key, Body=key.encode())
    for call, size in [("list_objects_v2", 1000), ("list_objects_v2", 4), ("list_objects", 1000), ("list_objects", 4)]:
        pages = s3.get_paginator(call).paginate(Bucket="lists", PaginationConfig={"PageSize": size})
        found = [(one["Key"], one["Size"], one["ETag"]) for page in pages for one in page.get("Contents", [])]
        assert [key for key, _, _ in found] == keys, (call, size, found)
        key, length, tag = found[3]
        head = s3.head_object(Bucket="lists", Key=key)
        assert (length, tag) == (head["ContentLength"], head["ETag"]) == (len(key.encode()), tag)
        for page_size in (size, 2):
            options = {"Delimiter": "/", "Prefix": "l/", "PaginationConfig": {"PageSize": page_size}}
            pages = list(s3.get_paginator(call).paginate(Bucket="lists", **options))
            found = [one["Key"] for page in pages for one in page.get("Contents", [])]
            folded = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
            assert (found, folded) == (["l/a 3", "l/b&c", "l/ü+"], ["l/a/", "l/many/", "l/z/"]), (call, pages)
    page = s3.list_objects_v2(Bucket="lists", Prefix="l/many/", StartAfter="l/many/020", MaxKeys=2)
    assert [one["Key"] for one in page["Contents"]] == ["l/many/021", "l/many/022"] and page["IsTruncated"], page
    assert "Contents" not in s3.list_objects_v2(Bucket="lists", Prefix="nothing/")
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert "lists" in names and BUCKET in names and not any(name.startswith(".") for name in names), names
    # What is listed is what is read: the own one over the base's, and nothing of others.
    pull.put_object(Bucket="lists", Key="l/a/1", Body=b"a longer one of its own")
    pull.put_object(Bucket="lists", Key="l/0", Body=b"")
    seen = {one["Key"]: one["Size"] for one in pull.list_objects_v2(Bucket="lists")["Contents"]}
    assert sorted(seen) == ["l/0"] + keys and seen["l/a/1"] == 23, seen
    seen = {one["Key"]: one["Size"] for one in s3.list_objects_v2(Bucket="lists")["Contents"]}
    assert sorted(seen) == keys and seen["l/a/1"] == 5, seen
    assert "Contents" not in other.list_objects_v2(Bucket="lists")
    assert other.list_buckets()["Buckets"] == []
    refused("NoSuchBucket", s3.list_objects_v2, Bucket=".gha")


def many_at_once():
    for n in range(3):
        s3.put_object(Bucket=BUCKET, Key=f"many/{n}", Body=b"x")
    keys = [{"Key": f"many/{n}"} for n in (0, 1, 7)] + [{"Key": "many/.."}]
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
    assert [one["Key"] for one in answer["Deleted"]] == ["many/0", "many/1", "many/7"], answer
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("many/..", "InvalidArgument")], answer
    assert body("many/2") == b"x"
    quiet = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "many/2"}], "Quiet": True})
    assert "Deleted" not in quiet, quiet
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="many/2")


def buckets():
    s3.head_bucket(Bucket=BUCKET)
    s3.create_bucket(Bucket="anything")
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    refused("NoSuchBucket", s3.get_object, Bucket=".gha", Key="version/key")
    refused("NoSuchBucket", s3.put_object, Bucket=".artifacts", Key="run/name", Body=b"")
    refused("NotImplemented", s3.get_bucket_acl, Bucket=BUCKET)
    refused("NotImplemented", s3.put_object, Bucket=BUCKET, Key="secret", Body=b"", ServerSideEncryption="AES256")
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="secret")


def ways_to_send():
    """Signed whole, not signed, in signed and in unsigned chunks, with each checksum."""
    data = b"hello world" * 20_000
    for n, options in enumerate(
        [
            {"request_checksum_calculation": "when_required"},
            {"request_checksum_calculation": "when_supported"},
            {"s3": {"payload_signing_enabled": True}},
        ]
    ):
        one = client(WRITER, **options)
        for algorithm in (None, "CRC32", "SHA1", "SHA256"):
            more = {"ChecksumAlgorithm": algorithm} if algorithm else {}
            key = f"sent/{n}/{algorithm}"
            one.put_object(Bucket=BUCKET, Key=key, Body=data, **more)
            assert body(key) == data
            # Without a length in advance, in chunks.
            one.upload_fileobj(io.BytesIO(data), BUCKET, f"{key}/file", ExtraArgs=more)
            assert body(f"{key}/file") == data
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="sent/wrong", Body=data, ChecksumSHA256=wrong)
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="sent/wrong", Body=data, ContentMD5=wrong)
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="sent/wrong")


def in_parts():
    """40 MiB by boto3's own manager, which sends parts side by side, and every call by itself."""
    data = random.Random(7).randbytes(40 * MIB)
    about = {"ContentType": "application/zip", "Metadata": {"run": "7"}}
    s3.upload_fileobj(io.BytesIO(data), BUCKET, "in/parts", ExtraArgs=about)
    head = s3.head_object(Bucket=BUCKET, Key="in/parts")
    digests = [hashlib.md5(data[at : at + 8 * MIB]).digest() for at in range(0, len(data), 8 * MIB)]
    assert head["ETag"] == f'"{hashlib.md5(b"".join(digests)).hexdigest()}-5"', head
    assert {name: head[name] for name in about} == about and head["ContentLength"] == len(data), head
    into = io.BytesIO()
    s3.download_fileobj(BUCKET, "in/parts", into)
    assert into.getvalue() == data
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    (listed,) = s3.list_objects_v2(Bucket=BUCKET, Prefix="in/parts")["Contents"]
    assert (listed["ETag"], listed["Size"]) == (head["ETag"], len(data)), listed

    name = {"Bucket": BUCKET, "Key": "in/turn"}
    mine = {**name, "UploadId": s3.create_multipart_upload(**name)["UploadId"]}
    put = lambda number, part, who=s3: who.upload_part(**mine, PartNumber=number, Body=part)["ETag"]
    first, last = data[: 5 * MIB], b"the last one is small"
    tags = {7: put(7, last), 2: put(2, b"replaced"), 3: put(3, b"not wanted")}
    tags[2] = put(2, first)
    assert tags[2] == f'"{hashlib.md5(first).hexdigest()}"', tags
    page = s3.list_parts(**mine, MaxParts=2)
    assert [(one["PartNumber"], one["Size"]) for one in page["Parts"]] == [(2, len(first)), (3, 10)], page
    rest = s3.list_parts(**mine, PartNumberMarker=page["NextPartNumberMarker"])
    assert [(one["PartNumber"], one["ETag"]) for one in rest["Parts"]] == [(7, tags[7])] and not rest["IsTruncated"]
    refused("NoSuchKey", s3.get_object, **name)

    complete = lambda *parts, who=s3, **more: who.complete_multipart_upload(
        **mine, MultipartUpload={"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in parts]}, **more
    )
    refused("InvalidPart", complete, (2, tags[7]))
    refused("InvalidPart", complete, (2, tags[2]), (9, tags[7]))
    refused("InvalidPartOrder", complete, (7, tags[7]), (2, tags[2]))
    refused("EntityTooSmall", complete, (2, tags[2]), (3, tags[3]), (7, tags[7]))
    # An upload is its beginner's alone, whatever others know of it.
    for who in (pull, other):
        refused("NoSuchUpload", complete, (2, tags[2]), who=who)
        refused("NoSuchUpload", put, 2, first, who=who)
        refused("NoSuchUpload", who.list_parts, **mine)
        refused("NoSuchUpload", who.abort_multipart_upload, **mine)
        assert who.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    refused("NoSuchUpload", s3.list_parts, **{**mine, "Key": "in/another"})
    done = complete((2, tags[2]), (7, tags[7]))
    assert complete((2, tags[2]), (7, tags[7]))["ETag"] == done["ETag"], "whoever did not hear the answer asks again"
    assert body("in/turn") == first + last
    refused("NoSuchUpload", put, 2, first)

    # What is there does not change by this way either.
    mine["UploadId"] = s3.create_multipart_upload(**name)["UploadId"]
    tag = put(1, b"other")
    refused("PreconditionFailed", complete, (1, tag))
    assert body("in/turn") == first + last

    for key in ("in/a", "in/b", "in/b"):
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=BUCKET, Prefix="in/", PaginationConfig={"PageSize": 2}
    )
    found = [one for page in pages for one in page.get("Uploads", [])]
    assert [one["Key"] for one in found] == ["in/a", "in/b", "in/b"], found
    for one in found:
        s3.abort_multipart_upload(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"])
        refused("NoSuchUpload", s3.abort_multipart_upload, Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"])
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    for upload in ("x", "../..", "0" * 32, "0" * 10_000):
        refused("NoSuchUpload", s3.list_parts, **name, UploadId=upload)


def promised_digests():
    """The name of a content-addressed object says what its bytes must be, whichever way they come."""
    data, key = b"content", lambda data: f"gradle/cas/{hashlib.sha256(data).hexdigest()}"
    for content, code in [(data, None), (b"other", "BadDigest")]:
        name = {"Bucket": BUCKET, "Key": key(data)}
        mine = {**name, "UploadId": s3.create_multipart_upload(**name)["UploadId"]}
        part = {"PartNumber": 1, "ETag": s3.upload_part(**mine, PartNumber=1, Body=content)["ETag"]}
        complete = {**mine, "MultipartUpload": {"Parts": [part]}}
        if code is None:
            s3.complete_multipart_upload(**complete)
            s3.delete_object(**name)
        else:
            refused(code, s3.complete_multipart_upload, **complete)
            refused("NoSuchKey", s3.get_object, **name)


def copies():
    about = {"ContentType": "text/x-rust", "Metadata": {"a": "1"}}
    tag = s3.put_object(Bucket=BUCKET, Key="copy/from", Body=b"copied", **about)["ETag"]
    source = {"Bucket": BUCKET, "Key": "copy/from"}
    s3.copy_object(Bucket="elsewhere", Key="copy/to", CopySource=source, CopySourceIfMatch=tag)
    got = s3.get_object(Bucket="elsewhere", Key="copy/to")
    assert got["Body"].read() == b"copied" and {name: got[name] for name in about} == about, got
    s3.copy_object(Bucket=BUCKET, Key="copy/b", CopySource=source, MetadataDirective="REPLACE", ContentType="text/b")
    head = s3.head_object(Bucket=BUCKET, Key="copy/b")
    assert (head["ContentType"], head["Metadata"]) == ("text/b", {}), head
    refused("PreconditionFailed", s3.copy_object, Bucket=BUCKET, Key="c", CopySource=source, CopySourceIfMatch='"x"')
    refused("NoSuchKey", s3.copy_object, Bucket=BUCKET, Key="c", CopySource={"Bucket": BUCKET, "Key": "nothing"})
    refused("NoSuchKey", other.copy_object, Bucket=BUCKET, Key="c", CopySource=source)
    refused("NoSuchBucket", s3.copy_object, Bucket=BUCKET, Key="c", CopySource={"Bucket": ".gha", "Key": "v/k"})
    # A pull request may copy what it reads, to where it writes.
    pull.copy_object(Bucket=BUCKET, Key="copy/own", CopySource=source)
    assert body("copy/own", pull) == b"copied"
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="copy/own")
    # boto3's manager copies large objects part by part.
    s3.copy({"Bucket": BUCKET, "Key": "in/parts"}, BUCKET, "copy/large")
    assert hashlib.md5(body("copy/large")).digest() == hashlib.md5(body("in/parts")).digest()
    assert s3.get_object_tagging(Bucket=BUCKET, Key="copy/large")["TagSet"] == []


def presigned():
    def sign(operation, key, who=s3, seconds=60, **more):
        return who.generate_presigned_url(operation, {"Bucket": BUCKET, "Key": key, **more}, ExpiresIn=seconds)

    put = sign("put_object", "presigned/a")
    assert url("PUT", put, b"data")[0] == 200
    assert url("PUT", put, b"data")[0] == 200
    assert url("PUT", put, b"other")[0] == 412
    get = sign("get_object", "presigned/a")
    assert url("GET", get) == (200, b"data")
    assert url("GET", get) == (200, b"data")
    # For nothing but what it was made for.
    for method, address, data in [
        ("GET", put, None),
        ("DELETE", put, None),
        ("PUT", get, b"other"),
        ("PUT", put.replace("presigned/a", "presigned/b"), b"other"),
        ("PUT", put.replace(f"/{BUCKET}/", "/elsewhere/"), b"other"),
        ("GET", get.replace("X-Amz-Expires=60", "X-Amz-Expires=600"), None),
    ]:
        status, answer = url(method, address, data)
        assert status == 403 and b"SignatureDoesNotMatch" in answer, (method, address, status, answer)
    status, answer = url("GET", get, headers={"x-amz-request-payer": "requester"})
    assert status == 403 and b"AccessDenied" in answer, answer
    status, answer = url("GET", sign("get_object", "presigned/a", seconds=604_801))
    assert status == 400 and b"AuthorizationQueryParametersError" in answer, answer
    assert url("GET", sign("get_object", "presigned/a", who=pull)) == (200, b"data")
    assert url("GET", sign("get_object", "presigned/a", who=other))[0] == 404
    assert url("GET", sign("get_object", "presigned/a", who=expired))[0] == 404
    assert url("PUT", sign("put_object", "presigned/c", who=expired), b"")[0] == 400


def credentials():
    s3.put_object(Bucket=BUCKET, Key="mine", Body=b"mine")
    wrong = client((WRITER[0], "wrong"))
    refused("SignatureDoesNotMatch", wrong.get_object, Bucket=BUCKET, Key="mine")
    refused("SignatureDoesNotMatch", wrong.put_object, Bucket=BUCKET, Key="theirs", Body=b"")
    refused("InvalidAccessKeyId", client(("AKIAIOSFODNN7EXAMPLE", "x")).get_object, Bucket=BUCKET, Key="mine")
    refused("SignatureDoesNotMatch", client((WRITER[0], OTHER[1])).get_object, Bucket=BUCKET, Key="mine")
    refused("InvalidAccessKeyId", client((WRITER[0] + "A", WRITER[1])).get_object, Bucket=BUCKET, Key="mine")
    refused("NoSuchKey", expired.get_object, Bucket=BUCKET, Key="mine")
    refused("ExpiredToken", expired.put_object, Bucket=BUCKET, Key="mine", Body=b"")
    # The check object is there for everybody: any other word and sccache does not start.
    for anybody in (wrong, expired, other, s3):
        assert body("cache/.sccache_check", anybody) == b"Hello, World!"
        anybody.put_object(Bucket=BUCKET, Key="cache/.sccache_check", Body=b"Hello, World!")


def scopes():
    assert body("mine", pull) == b"mine"
    refused("NoSuchKey", other.get_object, Bucket=BUCKET, Key="mine")
    pull.put_object(Bucket=BUCKET, Key="mine", Body=b"poison")
    assert (body("mine"), body("mine", pull)) == (b"mine", b"poison")
    pull.put_object(Bucket=BUCKET, Key="theirs", Body=b"poison")
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="theirs")
    pull.delete_object(Bucket=BUCKET, Key="mine")
    assert body("mine", pull) == b"mine"
    pull.delete_object(Bucket=BUCKET, Key="mine")
    assert body("mine") == b"mine"


def clocks():
    real = botocore.compat.get_current_datetime
    shifted = datetime.timedelta(minutes=20)
    try:
        for shift in (shifted, -shifted):
            botocore.auth.get_current_datetime = lambda *arguments, **more: real(*arguments, **more) + shift
            skewed = client(WRITER)
            refused("RequestTimeTooSkewed", skewed.put_object, Bucket=BUCKET, Key="skewed", Body=b"")
    finally:
        botocore.auth.get_current_datetime = real


TESTS = (
    objects,
    parts,
    remarks,
    lists,
    many_at_once,
    buckets,
    ways_to_send,
    in_parts,
    promised_digests,
    copies,
    presigned,
    credentials,
    scopes,
    clocks,
)
for test in TESTS:
    began = time.monotonic()
    test()
    # A client that waits for a word that does not come waits for a minute, and then tries again: nobody would notice.
    assert time.monotonic() - began < 50, f"{test.__name__} was kept waiting"
    print(f"{test.__name__}: good", flush=True)
