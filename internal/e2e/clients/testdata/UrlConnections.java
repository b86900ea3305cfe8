import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;

class UrlConnections {
	public static void main(String[] args) throws Exception {
		String base = args[0];
		call("get", base + "/public/v1/documents", "GET", null, null, false);
		call("post", base + "/public/v1/documents", "POST", "{\"name\":\"client\"}".getBytes(), "application/json", false);
		call("upload", base + "/public/v1/documents?upload", "POST", Files.readAllBytes(Path.of(args[1])), "application/octet-stream", false);
		call("download", base + "/public/v1/documents/id/download", "GET", null, null, true);
		call("delete", base + "/public/v1/documents/id", "DELETE", null, null, false);
	}

	private static void call(String name, String url, String method, byte[] body, String type, boolean show) throws Exception {
		var connection = (HttpURLConnection) new URL(url).openConnection();
		connection.setRequestMethod(method);
		connection.setReadTimeout(60_000);
		if (body != null) {
			connection.setDoOutput(true);
			connection.setRequestProperty("Content-Type", type);
			connection.getOutputStream().write(body);
		}
		int status = connection.getResponseCode(), size = 0;
		try (InputStream in = connection.getInputStream()) {
			size = in.readAllBytes().length;
		}
		System.out.println(name + " " + status + (show ? " " + size : ""));
	}
}
