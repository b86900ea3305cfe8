import { readFile } from 'node:fs/promises'

const [base, path] = process.argv.slice(2)
async function call(name, target, options = {}, show = false) {
	const answer = await fetch(base + target, options)
	const data = await answer.arrayBuffer()
	console.log([name, answer.status, ...(show ? [data.byteLength] : [])].join(' '))
}
await call('get', '/public/v1/documents')
await call('post', '/public/v1/documents', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"name":"client"}' })
await call('upload', '/public/v1/documents?upload', { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: await readFile(path) })
await call('download', '/public/v1/documents/id/download', {}, true)
await call('delete', '/public/v1/documents/id', { method: 'DELETE' })
