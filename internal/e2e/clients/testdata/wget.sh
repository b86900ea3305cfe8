base=$1 file=$2 out=$3
run() { # NAME, then wget's own arguments
	name=$1
	shift
	status=$(wget -q -S -t 1 -O "$out" "$@" 2>&1 | sed -n 's,^ *HTTP/1.1 \([0-9]*\).*,\1,p' | tail -n 1)
	[ "$name" = download ] && status="$status $(wc -c <"$out" | tr -d ' ')"
	echo "$name $status"
}
run get "$base/public/v1/documents"
run post --header 'Content-Type: application/json' --post-data '{"name":"client"}' "$base/public/v1/documents"
run upload --header 'Content-Type: application/octet-stream' --post-file "$file" "$base/public/v1/documents?upload"
run download "$base/public/v1/documents/id/download"
run delete --method DELETE "$base/public/v1/documents/id"
