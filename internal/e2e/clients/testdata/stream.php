<?php
[, $base, $path] = $argv;
function call($name, $method, $target, $body = null, $type = null, $show = false) {
	global $base;
	$http = ['method' => $method, 'timeout' => 60, 'protocol_version' => 1.1, 'header' => ['Connection: close']];
	if ($body !== null) {
		$http['content'] = $body;
		$http['header'][] = 'Content-Type: ' . $type;
	}
	$data = file_get_contents($base . $target, false, stream_context_create(['http' => $http]));
	echo $name, ' ', explode(' ', $http_response_header[0])[1], $show ? ' ' . strlen($data) : '', "\n";
}
call('get', 'GET', '/public/v1/documents');
call('post', 'POST', '/public/v1/documents', '{"name":"client"}', 'application/json');
call('upload', 'POST', '/public/v1/documents?upload', file_get_contents($path), 'application/octet-stream');
call('download', 'GET', '/public/v1/documents/id/download', null, null, true);
call('delete', 'DELETE', '/public/v1/documents/id');
