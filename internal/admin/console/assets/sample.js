// Sample files to test uploads.

// sampleFile returns a small file of the type that an example names.
export function sampleFile(name, type) {
  const text = type === 'text/markdown' ? '# Proposal\n\nThis file was made by the console of pandadoc-auth-proxy.\n' : samplePDF('Made by the console of pandadoc-auth-proxy');
  return new File([text], name, { type });
}

// samplePDF is a PDF 1.4 with one page and one line of text (ISO 32000-1 section 7.5): the objects, the table
// of their offsets, and the offset of that table.
function samplePDF(line) {
  const stream = `BT /F1 18 Tf 72 760 Td (${line}) Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let file = '%PDF-1.4\n';
  const offsets = objects.map((object, i) => {
    const offset = file.length;
    file += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(offset).padStart(10, '0')} 00000 n \n`;
  });
  const table = file.length;
  return `${file}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.join('')}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${table}\n%%EOF\n`;
}
