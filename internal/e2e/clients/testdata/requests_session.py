import sys

import requests

base, path = sys.argv[1:3]
session = requests.Session()
print("get", session.get(base + "/public/v1/documents", timeout=60).status_code)
print("post", session.post(base + "/public/v1/documents", json={"name": "client"}, timeout=60).status_code)
with open(path, "rb") as body:  # a stream, which requests cannot repeat by itself
    kind = {"Content-Type": "application/octet-stream"}
    print("upload", session.post(base + "/public/v1/documents?upload", data=body, headers=kind, timeout=60).status_code)
answer = session.get(base + "/public/v1/documents/id/download", timeout=60)
print("download", answer.status_code, len(answer.content))
print("delete", session.delete(base + "/public/v1/documents/id", timeout=60).status_code)
