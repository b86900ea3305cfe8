import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;

class HttpClients {
	private static final HttpClient client = HttpClient.newHttpClient();

	public static void main(String[] args) throws Exception {
		String base = args[0];
		call("get", to(base, "/public/v1/documents").GET(), false);
		call("post", to(base, "/public/v1/documents").header("Content-Type", "application/json")
				.POST(HttpRequest.BodyPublishers.ofString("{\"name\":\"client\"}")), false);
		call("upload", to(base, "/public/v1/documents?upload").header("Content-Type", "application/octet-stream").expectContinue(true)
				.POST(HttpRequest.BodyPublishers.ofFile(Path.of(args[1]))), false);
		call("download", to(base, "/public/v1/documents/id/download").GET(), true);
		call("delete", to(base, "/public/v1/documents/id").DELETE(), false);
	}

	private static HttpRequest.Builder to(String base, String target) {
		return HttpRequest.newBuilder(URI.create(base + target)).timeout(Duration.ofSeconds(60));
	}

	private static void call(String name, HttpRequest.Builder request, boolean show) throws Exception {
		var answer = client.send(request.build(), BodyHandlers.ofByteArray());
		System.out.println(name + " " + answer.statusCode() + (show ? " " + answer.body().length : ""));
	}
}
