import sys
import urllib.request

base, path = sys.argv[1:3]


def call(name, method, target, body=None, kind=None, show=False):
    headers = {"Content-Type": kind} if kind else {}
    request = urllib.request.Request(base + target, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        data = answer.read()
        print(name, answer.status, *([len(data)] if show else []))


call("get", "GET", "/public/v1/documents")
call("post", "POST", "/public/v1/documents", b'{"name":"client"}', "application/json")
with open(path, "rb") as body:
    call("upload", "POST", "/public/v1/documents?upload", body.read(), "application/octet-stream")
call("download", "GET", "/public/v1/documents/id/download", show=True)
call("delete", "DELETE", "/public/v1/documents/id")
