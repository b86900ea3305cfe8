// A prepared request as plain HTTP in more languages. These functions only make text; requests are as in copy.js.
import { addressOf, allHeaders, baseOf } from '/console/copy.js';

const socketNote = (listener) => (listener.startsWith('unix:') ? 'The proxy listens on a Unix socket, which this language cannot use here: use curl, or set a TCP address with --listen.' : '');

const files = (request) => (request.body.parts ?? []).filter((p) => p.filename);
const texts = (request) => (request.body.parts ?? []).filter((p) => !p.filename);

// ps writes a text for PowerShell, where single quotes are doubled and nothing else has a meaning. The typographic ones
// (U+2018 to U+201B) end a text there as well.
const ps = (text) => `'${text.replace(/['\u2018-\u201b]/g, '$&$&')}'`;

// together joins headers of the same name, which PowerShell's tables cannot hold twice.
function together(headers) {
  const all = new Map();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    all.set(key, all.has(key) ? [all.get(key)[0], `${all.get(key)[1]}, ${value}`] : [name, value]);
  }
  return [...all.values()];
}

// powershellOf returns commands for PowerShell 7, and for Windows PowerShell 5.1 if there is no file to send.
export function powershellOf(request, listener) {
  const multipart = request.body.kind === 'multipart';
  const headers = together(allHeaders(request).filter(([name]) => name.toLowerCase() !== 'content-type'));
  const type = allHeaders(request).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  const lines = [`$request = @{`, `    Uri = ${ps(addressOf(request, baseOf(listener)))}`, `    Method = ${ps(request.method)}`];
  if (headers.length) lines.push('    Headers = @{', ...headers.map(([name, value]) => `        ${ps(name)} = ${ps(value)}`), '    }');
  if (request.body.kind === 'json') lines.push(`    ContentType = ${ps(/;\s*charset=/i.test(type) ? type : `${type}; charset=utf-8`)}`, `    Body = [Text.Encoding]::UTF8.GetBytes(${ps(request.body.text)})`);
  if (multipart) {
    lines.push('    Form = @{', ...files(request).map((p) => `        ${ps(p.name)} = Get-Item ${ps(p.filename)}`), ...texts(request).map((p) => `        ${ps(p.name)} = ${ps(p.text)}`), '    }');
  }
  if (request.binary) lines.push(`    OutFile = ${ps(request.binary)}`);
  lines.push('}', 'Invoke-RestMethod @request', '');
  return { text: lines.join('\n'), note: socketNote(listener) || (multipart ? 'Files need PowerShell 7. They are read from the current directory.' : '') };
}

// php writes a text for PHP in single quotes, where only the quote and the backslash need one before them.
const php = (text) => `'${text.replace(/[\\']/g, '\\$&')}'`;

// phpOf returns a program for PHP with its curl extension.
export function phpOf(request, listener) {
  const headers = request.body.kind === 'multipart' ? request.headers.filter(([name]) => name && name.toLowerCase() !== 'content-type') : allHeaders(request);
  const options = [`CURLOPT_CUSTOMREQUEST => ${php(request.method)}`, 'CURLOPT_RETURNTRANSFER => true'];
  if (request.method === 'HEAD') options.push('CURLOPT_NOBODY => true');
  if (headers.length) options.push(`CURLOPT_HTTPHEADER => [\n        ${headers.map(([name, value]) => php(`${name}: ${value}`)).join(',\n        ')},\n    ]`);
  if (request.body.kind === 'json') options.push(`CURLOPT_POSTFIELDS => ${php(request.body.text)}`);
  if (request.body.kind === 'multipart') {
    const fields = [...files(request).map((p) => `${php(p.name)} => new CURLFile(${php(p.filename)}, ${php(p.type)})`), ...texts(request).map((p) => `${php(p.name)} => ${php(p.text)}`)];
    options.push(`CURLOPT_POSTFIELDS => [\n        ${fields.join(',\n        ')},\n    ]`);
  }
  const read = request.binary ? `file_put_contents(${php(request.binary)}, $answer);` : "echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE), ' ', $answer, PHP_EOL;";
  return {
    text: `<?php
$curl = curl_init(${php(addressOf(request, baseOf(listener)))});
curl_setopt_array($curl, [
    ${options.join(',\n    ')},
]);
$answer = curl_exec($curl);
if ($answer === false) {
    throw new RuntimeException(curl_error($curl));
}
${read}
`,
    note: socketNote(listener),
  };
}

// cs writes a text for C#: JSON's escapes are C#'s as well. More characters than JSON knows end a line there.
const cs = (text) => JSON.stringify(text).replace(/[\u0085\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

const csMethods = { GET: 'Get', HEAD: 'Head', POST: 'Post', PUT: 'Put', PATCH: 'Patch', DELETE: 'Delete' };

// csharpOf returns a program of top-level statements for .NET 6 and later.
export function csharpOf(request, listener) {
  const isType = ([name]) => name.toLowerCase() === 'content-type';
  const type = allHeaders(request).find(isType)?.[1] ?? 'application/json';
  const headers = allHeaders(request).filter((header) => !isType(header));
  const lines = ['using System.Net.Http.Headers;', 'using System.Text;', '', 'using var client = new HttpClient();',
    `using var request = new HttpRequestMessage(HttpMethod.${csMethods[request.method] ?? `Parse(${cs(request.method)})`}, ${cs(addressOf(request, baseOf(listener)))});`,
    ...headers.map(([name, value]) => `request.Headers.TryAddWithoutValidation(${cs(name)}, ${cs(value)});`)];
  if (request.body.kind === 'json') {
    lines.push(`request.Content = new StringContent(${cs(request.body.text)}, Encoding.UTF8);`, `request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(${cs(type)});`);
  }
  if (request.body.kind === 'multipart') {
    lines.push('var form = new MultipartFormDataContent();');
    files(request).forEach((p, i) => lines.push(`var file${i} = new ByteArrayContent(await File.ReadAllBytesAsync(${cs(p.filename)}));`,
      `file${i}.Headers.ContentType = MediaTypeHeaderValue.Parse(${cs(p.type)});`, `form.Add(file${i}, ${cs(p.name)}, ${cs(p.filename)});`));
    texts(request).forEach((p) => lines.push(`form.Add(new StringContent(${cs(p.text)}), ${cs(p.name)});`));
    lines.push('request.Content = form;');
  }
  lines.push('using var answer = await client.SendAsync(request);',
    request.binary ? `await File.WriteAllBytesAsync(${cs(request.binary)}, await answer.Content.ReadAsByteArrayAsync());`
      : 'Console.WriteLine($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");', '');
  return { text: lines.join('\n'), note: socketNote(listener) };
}
