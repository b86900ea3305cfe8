# Five requests on one connection where curl can: everything is one command.
base=$1 file=$2 out=$3
curl -sS -o /dev/null -w 'get %{http_code}\n' "$base/public/v1/documents" \
	--next -sS -o /dev/null -w 'post %{http_code}\n' -H 'Content-Type: application/json' -d '{"name":"client"}' "$base/public/v1/documents" \
	--next -sS -o /dev/null -w 'upload %{http_code}\n' -H 'Content-Type: application/octet-stream' --data-binary "@$file" "$base/public/v1/documents?upload" \
	--next -sS -o "$out" -w 'download %{http_code} %{size_download}\n' "$base/public/v1/documents/id/download" \
	--next -sS -o /dev/null -w 'delete %{http_code}\n' -X DELETE "$base/public/v1/documents/id"
