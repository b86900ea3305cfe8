package doctor

func storeFaults() []fault {
	return []fault{
		{
			name:  "the store is a file",
			plant: func(w *installation) { w.write(w.dir, "in the way") },
			check: "store", seen: "is not a directory", fix: "move it away, or choose another place with --store file:DIR", exit: 1,
		},
		{
			name: "a store of another kind",
			plant: func(w *installation) {
				w.env["STORE"] = "ftp://user:hunter2@cache"
				w.secrets = append(w.secrets, "hunter2")
			},
			check: "configuration", seen: "not a store that this version supports", fix: "file:DIR", exit: 1,
		},
		{
			name: "no place for the store",
			plant: func(w *installation) {
				w.env["STORE"] = ""
				w.plain = []string{"HOME="}
			},
			check: "store", seen: "HOME is not set", fix: "--store file:DIR", exit: 1,
		},
		{
			name:  "a memory store and a token that works once",
			plant: func(w *installation) { w.env["STORE"] = "memory:" },
			check: "store", seen: "the refresh token of the configuration works only once", fix: "use --store file:", exit: 0,
		},
		{
			name:  "the same, while the proxy runs and holds the tokens",
			plant: func(w *installation) { w.env["STORE"] = "memory:"; w.serve().Want(documents, 200) },
			check: "store", seen: "the refresh token of the configuration works only once", fix: "use --store file:", exit: 0,
		},
		{
			name: "tokens from before there was a key",
			plant: func(w *installation) {
				w.signIn()
				w.env["STORE_KEY_FILE"] = w.fileIn("store.key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
			},
			check: "record", seen: "are not encrypted", fix: "import --account default --from file:", exit: 0,
		},
		{
			name: "tokens that are encrypted under a key that is missing",
			plant: func(w *installation) {
				w.env["STORE_KEY_FILE"] = w.fileIn("store.key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
				p := w.serve()
				p.Want(documents, 200)
				p.Kill()
				w.env["STORE_KEY_FILE"] = w.fileIn("other.key", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=")
			},
			check: "record", seen: "with a key that is not configured", fix: "--store-key-file", exit: 1,
		},
		{
			name:  "a damaged record",
			plant: func(w *installation) { w.signIn(); w.write(w.recordPath(), `{"schema":1,"gener`) },
			check: "record", seen: "default.json", fix: "restore the file from a backup, or move it away and sign in again", exit: 1,
		},
		{
			name:  "a record of a newer version",
			plant: func(w *installation) { w.signIn(); w.rewrite(map[string]any{"schema": 99}) },
			check: "record", seen: "default.json: the record was written by a newer version", fix: "use the newer version", exit: 1,
		},
	}
}
