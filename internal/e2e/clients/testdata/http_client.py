import http.client
import sys
import urllib.parse

base, path = sys.argv[1:3]
connection = http.client.HTTPConnection(urllib.parse.urlparse(base).netloc, timeout=60)


def call(name, method, target, body=None, kind=None, show=False):
    connection.request(method, target, body, {"Content-Type": kind} if kind else {})
    answer = connection.getresponse()
    data = answer.read()
    print(name, answer.status, *([len(data)] if show else []))


call("get", "GET", "/public/v1/documents")
call("post", "POST", "/public/v1/documents", b'{"name":"client"}', "application/json")
with open(path, "rb") as body:
    call("upload", "POST", "/public/v1/documents?upload", body.read(), "application/octet-stream")
call("download", "GET", "/public/v1/documents/id/download", show=True)
call("delete", "DELETE", "/public/v1/documents/id")
