require 'net/http'

base, path = ARGV
to = URI(base)
def answer(name, got, show = false)
  puts [name, got.code, *(show ? [got.body.bytesize] : [])].join(' ')
end
Net::HTTP.start(to.host, to.port, read_timeout: 60) do |http|
  answer 'get', http.get('/public/v1/documents')
  answer 'post', http.post('/public/v1/documents', '{"name":"client"}', 'Content-Type' => 'application/json')
  upload = Net::HTTP::Post.new('/public/v1/documents?upload', 'Content-Type' => 'application/octet-stream')
  upload.body_stream = File.open(path, 'rb')
  upload.content_length = File.size(path)
  answer 'upload', http.request(upload)
  answer 'download', http.get('/public/v1/documents/id/download'), true
  answer 'delete', http.delete('/public/v1/documents/id')
end
