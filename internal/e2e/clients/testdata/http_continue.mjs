// Node's http, with its documented idiom for "Expect: 100-continue".
import { createReadStream, statSync } from 'node:fs'
import http from 'node:http'

const [base, path] = process.argv.slice(2)
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
function call(name, method, target, headers = {}, send = r => r.end(), show = false) {
	return new Promise((done, failed) => {
		const request = http.request(base + target, { method, headers, agent }, answer => {
			let size = 0
			answer.on('data', part => { size += part.length })
			answer.on('end', () => { console.log([name, answer.statusCode, ...(show ? [size] : [])].join(' ')); done() })
		})
		request.on('error', failed)
		send(request)
	})
}
await call('get', 'GET', '/public/v1/documents')
await call('post', 'POST', '/public/v1/documents', { 'Content-Type': 'application/json' }, r => r.end('{"name":"client"}'))
await call('upload', 'POST', '/public/v1/documents?upload', {
	'Content-Type': 'application/octet-stream', 'Content-Length': statSync(path).size, Expect: '100-continue',
}, r => r.on('continue', () => createReadStream(path).pipe(r)))
await call('download', 'GET', '/public/v1/documents/id/download', {}, undefined, true)
await call('delete', 'DELETE', '/public/v1/documents/id')
agent.destroy()
