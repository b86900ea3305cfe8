package hazards

// row is one hazard (an attack or a fault) and the tests against it.
type row struct {
	id     string
	hazard string
	tests  []string // see by
	why    string   // why no test covers it; empty if one does
}

// by returns the names of the tests that cover a row: TestX of this package, dir.TestX of another one, or the path
// of a script.
func by(tests ...string) []string { return tests }

// section is a group of rows.
type section struct {
	letter string
	title  string
	rows   []row
}

// sections are all hazards that the project knows.
func sections() []section {
	return []section{
		{"A", "From a browser", browserRows()},
		{"B", "From the same machine", hostRows()},
		{"C", "Where a request goes", targetRows()},
		{"D", "Framing on the wire", framingRows()},
		{"E", "Request headers", headerRows()},
		{"F", "Paths and the token endpoint", pathRows()},
		{"G", "Answers of the API", answerRows()},
		{"H", "Exhaustion", exhaustionRows()},
		{"I", "401, refresh and replay", retryRows()},
		{"J", "Rotation and stores", storeRows()},
		{"K", "Signing in", loginRows()},
		{"L", "Console, health and emulator", consoleRows()},
		{"M", "Logs", logRows()},
		{"N", "Life of the process", processRows()},
		{"O", "Supply", supplyRows()},
		{"U", "Found in our own first version", foundRows()},
	}
}

func browserRows() []row {
	return []row{
		{"A1", "a page rebinds its own name to this machine", by("TestGuard", "proxy.TestHostRule"), ""},
		{"A2", "host names that look like localhost", by("TestGuard", "proxy.TestHostRule", "proxy.FuzzHost"), ""},
		{"A3", "good host names are refused", by("TestGuard", "proxy.TestHostRule"), ""},
		{"A4", "0.0.0.0 as a browser's way to loopback", by("TestGuard", "proxy.TestHostRule"), ""},
		{"A5", "empty, missing or repeated Host (HTTP/1.0 without one is served)", by("TestGuard"), ""},
		{"A6", "rebinding in a real browser", by("TestChromium"), ""},
		{"A7", "cross-origin requests without a preflight", by("TestGuard", "TestChromium", "proxy.TestBrowserRule"), ""},
		{"A8", "cross-site GET by image, script, frame or link", by("TestGuard", "TestChromium", "proxy.TestBrowserRule"), ""},
		{"A9", "Origin: null", by("TestGuard", "proxy.TestBrowserRule"), ""},
		{"A10", "ordinary clients are refused", by("TestGuard", "proxy.TestBrowserRule"), ""},
		{"A11", "preflights answered by the API", by("TestGuard", "proxy.TestPreflightOfAnAllowedOriginIsAnsweredByTheProxy"), ""},
		{"A12", "the API allows every origin to read its answers", by("proxy.TestResponseHeaders"), ""},
		{"A13", "WebSocket from a page (a program's Upgrade is ignored)", by("TestGuard", "TestChromium"), ""},
		{"A14", "HTML of the API runs, or the browser guesses a type", by("TestChromium", "proxy.TestResponseHeaders"), ""},
		{"A15", "cookies, Clear-Site-Data and HSTS of the API affect localhost", by("proxy.TestResponseHeaders"), ""},
		{"A16", "the console in a frame", by("TestChromium", "internal/admin.TestEveryAnswerIsHardened"), ""},
		{"A17", "other people's markup in our pages", by("internal/admin.TestARefusalEndsTheLogin", "internal/e2e/console.TestPagesCanBeUsedByEverybody"), ""},
		{"A18", "changes by GET, or caused by another page", by("TestGuardOfTheAdminListener", "TestChromium", "internal/admin.TestChangesOfBrowsersNeedTheHeader"), ""},
	}
}

func hostRows() []row {
	return []row{
		{"B1", "other machines can connect", by("TestListensOnLoopbackOnly", "TestBeyondLoopbackNeedsAKey", "internal/config.TestFixesAreNamedForEveryMistake"), ""},
		{"B2", "another user uses the port", by("TestClientKey", "TestSocketIsForItsOwner", "proxy.TestClientKeys"), ""},
		{"B3", "a client key is forwarded or logged", by("TestClientKey", "TestCanary", "proxy.TestClientKeys"), ""},
		{"B4", "secrets in the process list", by("TestProcessIsClosedToNeighbours"), ""},
		{"B5", "debugging pages on the proxied port", by("TestTargets"), ""},
		{"B6", "core files and other processes read the memory", by("TestProcessIsClosedToNeighbours"), ""},
		{"B7", "a trace of the program shows secrets", by("TestTraceShowsNoSecret", "proxy.TestPanicIsContained"), ""},
		{"B8", "the store can be read by others", by("tokens/filestore.TestModesDoNotDependOnTheUmask", "tokens/filestore.TestWiderModesOfOurFilesAreNarrowed"), ""},
		{"B9", "the store is a link to somebody else's file", by("tokens/filestore.TestThingsInTheWay", "tokens/filestore.TestDirectoriesThatAreRefused"), ""},
		{"B10", "another program has taken the port", by("internal/cli/testdata/script/ports.txtar"), ""},
		{"B11", "another program listens on the callback's port (which is registered)", by("internal/cli/testdata/script/ports.txtar", "internal/cli.TestARedirectURLWithoutAListenerIsToldAtTheStart"), ""},
		{"B12", "a forward proxy of the environment sees unencrypted traffic", by("proxy.TestForwardProxyIsForHTTPSOnly"), ""},
		{"B13", "memory on the swap device", nil, "swap belongs to the system: encrypt it"},
	}
}

func targetRows() []row {
	return []row{
		{"C1", "an absolute target chooses the upstream", by("TestTargets", "proxy.TestTargetForms"), ""},
		{"C2", "other schemes and userinfo in the target", by("TestTargets", "proxy.TestTargetForms"), ""},
		{"C3", "the raw target is used as a URL of its own", by("proxy.TestTargetsArriveByteForByte", "proxy.TestTargetForms"), ""},
		{"C4", "CONNECT", by("TestTargets", "proxy.TestTargetForms"), ""},
		{"C5", "TRACE shows the token", by("TestTargets", "proxy.TestTargetForms"), ""},
		{"C6", "an HTTP/2 preface is forwarded", by("TestTargets", "TestHTTP2IsNotSpoken"), ""},
		{"C7", "OPTIONS * and GET *", by("TestTargets", "proxy.TestOptionsForTheServerIsAnsweredByTheProxy"), ""},
		{"C8", "paths that look like an authority", by("TestTargets", "proxy.TestTargetForms"), ""},
		{"C9", "headers that change routing", by("proxy.TestRequestHeaders"), ""},
		{"C10", "the client's Host reaches the API", by("TestTargets", "proxy.TestRequestHeaders"), ""},
		{"C11", "the API's name leads elsewhere", by("TestBadCertificates"), ""},
		{"C12", "bad certificates: no byte of the token leaves", by("TestBadCertificates", "proxy.TestBadCertificates"), ""},
		{"C13", "an API without TLS", by("TestUnencryptedUpstreamIsRefused", "internal/config.TestFixesAreNamedForEveryMistake"), ""},
		{"C14", "methods that the API does not have", by("TestTargets", "proxy.TestTargetForms"), ""},
		{"C15", "a header that changes the method of a request", by("TestPolicies", "proxy.TestMethodOverridesAreDroppedUnderAPolicy"), ""},
	}
}

func framingRows() []row {
	return []row{
		{"D1", "Content-Length and chunked together (answered once, then closed)", by("TestFraming", "proxy.TestFraming"), ""},
		{"D2", "unusual spellings of Transfer-Encoding", by("TestFraming", "proxy.TestFraming"), ""},
		{"D3", "Transfer-Encoding in HTTP/1.0 (answered once, then closed)", by("TestFraming"), ""},
		{"D4", "folded header lines", by("TestFoldedHeader"), ""},
		{"D5", "invalid Content-Length", by("TestFraming", "proxy.TestFraming"), ""},
		{"D6", "invalid chunks", by("TestFraming", "proxy.TestFraming"), ""},
		{"D7", "control characters and spaces in headers", by("TestFraming", "proxy.TestFraming"), ""},
		{"D8", "header names with underscores", by("proxy.TestRequestHeaders"), ""},
		{"D9", "answers to pipelined requests come in the wrong order", by("TestConnectionsStayInStep", "proxy.TestPipelinedRequestsAreAnsweredInOrder"), ""},
		{"D10", "bodies of GET and DELETE", by("TestConnectionsStayInStep"), ""},
		{"D11", "trailers that are credentials", by("proxy.TestRequestTrailersAreDropped"), ""},
		{"D12", "old and invalid versions of HTTP", by("TestFraming", "TestConnectionsStayInStep"), ""},
		{"D13", "TLS on a plain port", by("TestNoRequestAtAll"), ""},
		{"D14", "malformed answers of the API", by("TestUpstreamFaults", "proxy.TestUpstreamFaults"), ""},
		{"D15", "bytes after an answer reach another client", by("TestUnsolicitedBytes", "proxy.TestUnsolicitedAnswersAreNotDelivered"), ""},
		{"D16", "an answer that was cut off looks complete", by("TestCutAnswers", "proxy.TestCutAnswerIsSeenAsCut"), ""},
		{"D17", "smuggling by an upgrade to h2c (it is ignored)", by("TestHTTP2IsNotSpoken", "proxy.TestRequestHeaders"), ""},
		{"D18", "floods of HTTP/2 (it is not offered)", by("TestHTTP2IsNotSpoken", "TestTLSOnTheListener"), ""},
	}
}

func headerRows() []row {
	return []row{
		{"E1", "a Connection header removes the token", by("proxy.TestRequestHeaders"), ""},
		{"E2", "credentials of the client", by("proxy.TestRequestHeaders"), ""},
		{"E3", "Proxy-Authorization leaks", by("proxy.TestRequestHeaders"), ""},
		{"E4", "cookies of other applications leak", by("proxy.TestRequestHeaders", "TestChromium"), ""},
		{"E5", "Referer and Origin leak", by("proxy.TestRequestHeaders", "TestChromium"), ""},
		{"E6", "client addresses leak", by("proxy.TestRequestHeaders"), ""},
		{"E7", "a token in the query", by("TestTargets", "proxy.TestTargetForms"), ""},
		{"E8", "Expect: 100-continue makes a client hang or send twice", by("proxy.TestExpectContinueGoesEndToEnd"), ""},
		{"E9", "an unknown expectation", by("proxy.TestUnknownExpectationFails"), ""},
		{"E10", "hop-by-hop fields", by("proxy.TestRequestHeaders"), ""},
		{"E11", "compression that the client did not request", by("proxy.TestRequestHeaders", "proxy.TestCompressedBodiesAreUntouched"), ""},
		{"E12", "the User-Agent is changed", by("proxy.TestRequestHeaders"), ""},
		{"E13", "an idempotency key makes a POST repeat", by("proxy.TestBrokenConnectionIsNotTriedAgain"), ""},
	}
}

func pathRows() []row {
	return []row{
		{"F1", "the token endpoint through the proxy", by("TestTargets", "proxy.TestTokenEndpointIsNeverForwarded"), ""},
		{"F2", "the same, spelled in other ways", by("TestTargets", "proxy.TestTokenEndpointIsNeverForwarded", "proxy.FuzzPathRules"), ""},
		{"F3", "unusual paths are changed", by("proxy.TestTargetsArriveByteForByte"), ""},
		{"F4", "fragments, NUL and line breaks in a path", by("TestTargets", "proxy.TestTargetForms"), ""},
		{"F5", "a redirect of ours loses a POST", by("proxy.TestTargetsArriveByteForByte"), ""},
		{"F6", "the query is changed", by("proxy.TestTargetsArriveByteForByte"), ""},
		{"F7", "a query makes a request look like an allowed route", by("TestPolicies", "proxy.TestAllowedRoutes", "proxy.FuzzPolicy"), ""},
		{"F8", "paths of our own hide paths of the API, or can be reached on the proxied port", by("TestTargets"), ""},
		{"F9", "the emulator shows credentials that it was sent", by("internal/sandbox.TestEchoShowsWhatArrivedWithoutTheCredential"), ""},
	}
}

func answerRows() []row {
	return []row{
		{"G1", "redirects are followed with the token", by("proxy.TestRedirectsAreNotFollowed"), ""},
		{"G2", "signed URLs of downloads are changed", by("proxy.TestLocation"), ""},
		{"G3", "Location leads past the proxy (it is rewritten)", by("proxy.TestLocation"), ""},
		{"G4", "the token endpoint redirects the secret", by("TestTokenEndpointThatRedirects", "tokens.TestFailedRefresh"), ""},
		{"G5", "hop-by-hop fields of answers", by("proxy.TestResponseHeaders"), ""},
		{"G6", "an early answer is lost", by("TestEarlyAnswers", "proxy.TestEarlyAnswerReachesTheClient", "proxy.TestAnswerBeforeResetIsNotLost"), ""},
		{"G7", "endless informational answers, and 101", by("TestUpstreamFaults", "proxy.TestInformationalAnswersAreNotForwarded"), ""},
		{"G8", "a 401 makes a browser ask for a password", nil, "only a person who opens the address in a browser sees that question, not a page of another origin"},
		{"G9", "rate limits do not reach the client", by("proxy.TestResponseHeaders", "proxy.TestOtherStatusesAreNotRetried"), ""},
		{"G10", "streams are held back", by("proxy.TestAnswersStream", ".TestLongAnswersArriveAsTheyAreSent"), ""},
		{"G11", "a Content-Type is added", by("proxy.TestResponseHeaders"), ""},
		{"G12", "an answer without Date", by("proxy.TestResponseHeaders"), ""},
		{"G13", "our errors look like the API's", by("TestUpstreamFaults", "proxy.TestUpstreamFaults"), ""},
		{"G14", "our errors show internal details", by("TestUpstreamFaults", "TestCanary"), ""},
	}
}

func exhaustionRows() []row {
	return []row{
		{"H1", "slow headers", by("TestSlowClientsAreCutOff", "TestNoRequestAtAll"), ""},
		{"H2", "slow bodies", by("TestSlowClientsAreCutOff", "proxy.TestStallingBodyTimesOut"), ""},
		{"H3", "slow reading of answers", by("internal/listen.TestAClientThatReadsNothingIsCutOff", "internal/listen.TestASlowReaderIsNotCutOff"), ""},
		{"H4", "many connections", by("TestManyConnections", "internal/listen.TestTheConnectionThatIsIdleLongestMakesRoom", "internal/listen.TestAcceptWaitsWhileAllConnectionsAreBusy"), ""},
		{"H5", "bodies kept for a replay", by("TestUploadsUnderAMemoryLimit", "proxy.TestReplayBudgets", "proxy.TestLargeUploadsDoNotNeedMemory"), ""},
		{"H6", "a body without an end (it streams on until the API refuses it)", by("TestEndlessBody"), ""},
		{"H7", "long targets and headers", by("TestTargets", "proxy.TestTargetForms", "proxy.TestTheServerLimitsTheHeader"), ""},
		{"H8", "huge headers of the API, and small compressed answers that are huge when unpacked", by("TestUpstreamFaults", "TestCompressedAnswerIsNotUnpacked"), ""},
		{"H9", "many headers, many parameters", by("TestTargets", "TestLargeHeadersCostLittle"), ""},
		{"H10", "the API never answers", by("TestUpstreamFaults", "proxy.TestUpstreamFaults"), ""},
		{"H11", "the client has gone", by("TestGoneClientEndsTheRequest", "proxy.TestAClientThatDisconnects"), ""},
		{"H12", "files and goroutines leak", by("TestNothingLeaks"), ""},
		{"H13", "one client starves others", nil, "no fairness between clients is promised, only limits for all: --max-in-flight, --max-connections"},
		{"H14", "the log fills the disk", by("TestMemoryIsFreedAfterAFlood", "proxy.TestRefusedRequestsAreLoggedAtALimitedRate"), ""},
		{"H15", "metrics grow with paths", by("TestMemoryIsFreedAfterAFlood", "internal/admin.TestStrangeRequestsMakeNoSeries"), ""},
	}
}
