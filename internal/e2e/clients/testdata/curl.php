<?php
[, $base, $path] = $argv;
$curl = curl_init();
function call($name, $target, $options = [], $show = false) {
	global $curl, $base;
	curl_reset($curl);
	curl_setopt_array($curl, [CURLOPT_URL => $base . $target, CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 60] + $options);
	$data = curl_exec($curl);
	if ($data === false) {
		fwrite(STDERR, $name . ': ' . curl_error($curl) . "\n");
		exit(1);
	}
	echo $name, ' ', curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $show ? ' ' . strlen($data) : '', "\n";
}
call('get', '/public/v1/documents');
call('post', '/public/v1/documents', [CURLOPT_POSTFIELDS => '{"name":"client"}', CURLOPT_HTTPHEADER => ['Content-Type: application/json']]);
call('upload', '/public/v1/documents?upload', [CURLOPT_POSTFIELDS => file_get_contents($path), CURLOPT_HTTPHEADER => ['Content-Type: application/octet-stream']]);
call('download', '/public/v1/documents/id/download', [], true);
call('delete', '/public/v1/documents/id', [CURLOPT_CUSTOMREQUEST => 'DELETE']);
