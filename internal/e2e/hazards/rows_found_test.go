package hazards

// foundRows are the hazards that were found in our own first version.
func foundRows() []row {
	return []row{
		{"U1", "the admin port needs no key although the proxied port does", by("TestTheAdminListenerRequiresAuthenticationToo", "TestALinkOpensTheConsoleOnce", "TestTheAdminSocketIsForItsUser", "internal/admin.TestAnUnknownHostGetsNothingButOK"), ""},
		{"U2", "another program listens on the admin port and answers our commands", by("TestAnotherProgramOnTheAdminPortGetsNothing", "TestACommandNamesTheUserWhoListens"), ""},
		{"U3", "unfinished headers fill the memory before a client is authenticated", by("TestUnfinishedHeadersInASmallContainer", "TestRequestsInFlightInASmallContainer", "TestCopiesInATmpfsAreBounded", "internal/listen.TestUnfinishedHeadersShareOneBudget"), ""},
		{"U4", "idle connections take all file descriptors", by("TestIdleConnectionsTakeNoDescriptors", "internal/listen.TestTheConnectionThatIsIdleLongestMakesRoom"), ""},
		{"U5", "a page of another site on plain http under a LAN name", by("TestChromium", "proxy.TestABrowserThatDoesNotSendThePageIsRefused"), ""},
		{"U6", "an HTML, SVG or XML answer runs as our origin", by("TestChromium", "proxy.TestAnswersAreSandboxed"), ""},
		{"U7", "1xx answers and trailers carry Set-Cookie, CORS, X-Accel-Redirect", by("TestInterimAnswersAndTrailersAreCleaned", "proxy.TestHeadersThatControlTheProxyOrAServerInFrontAreRemoved"), ""},
		{"U8", "%3F and %23 end the path at a server behind us", by("TestAnEncodedEndOfThePathIsTheEndForRules"), ""},
		{"U9", "HTTP/1.0 with Transfer-Encoding beside a length", by("TestHTTP10WithTransferEncoding", "proxy.TestAConnectionOfHTTP10ServesOneRequest"), ""},
		{"U10", "a file planted at the emergency path", by("tokens.TestEmergencyFileThatIsNotAdopted", "tokens.TestEmergencyFileGoesToTheFirstWritableDirectory"), ""},
		{"U11", "the browser that login starts inherits our secrets", by("TestBrowserIsOpenedWithoutAShell"), ""},
		{"U12", "control characters of a server in our terminal output", by("TestControlCharactersOfOthers", "internal/problem.TestPlainTakesAwayWhatATerminalObeys"), ""},
		{"U13", "the hosts file leads the API's name to us", by("TestTheHostsFileLeadsTheAPIToUs", "TestTheAPIIsFoundAtItsAddress", "TestARouterLeadsTheAPIBackToUs"), ""},
		{"U14", "a setting in another spelling has no effect", by("TestSettingsInAnotherSpelling", "TestSettingsWithoutEffect", "TestSettingsThatLookOdd"), ""},
		{"U15", "quotes in an env file become part of a secret", by("TestQuotesAroundSecrets"), ""},
		{"U16", "two 100 Continue for one request", by("TestAnUploadIsToldToContinueOnce"), ""},
		{"U17", "the log's reader stops reading or exits", by("TestALogThatNobodyReadsStopsNothing", "TestTheProgramContinuesWithoutALogReader", "TestSIGTERMEndsAProgramWhoseLogIsStuck", "internal/logqueue.TestAReaderThatStallsHoldsUpNobody", "internal/e2e/chaos.TestRefreshWithoutAReaderOfTheLog"), ""},
		{"U18", "SIGHUP, SIGQUIT or a second SIGTERM in the middle of a refresh", by("TestAnInterruptedCommandFinishesItsExchange", "TestFurtherSignalsAreMoreUrgent", "internal/e2e/chaos.TestSignalInTheMiddleOfARefresh"), ""},
		{"U19", "another region, token URL or client id for one start", by("tokens.TestTokensStayWithTheirIssuer", "tokens.TestASeedRefusedByTheWrongEndpointWorksAtTheRightOne"), ""},
		{"U20", "the same access token again; a hold lost by restart, eviction or another process", by("tokens.TestARefreshWithTheSameAccessTokenDoesNotHelp", "tokens.TestUselessRefusalsCostOneCallPerHold"), ""},
		{"U21", "a fresh login is overwritten by a running process", by("tokens.TestFreshLoginWinsOverARejectedPairInMemory", "tokens.TestYoungerLineageWinsOverAWorkingPair"), ""},
		{"U22", "an answer cut between the tokens", by("tokens.TestAnswerCutAtEveryByte", "tokens.TestReadPair"), ""},
		{"U23", "a neighbour in the container network", by("TestBeyondLoopbackNeedsAKey"), ""},
		{"U24", "a configuration or secret file that others can write", by("TestFilesThatOthersCanWrite"), ""},
		{"U25", "a short answer is cut, and the client sends its POST again, because the end looks like that of an idle connection", by("TestACutAnswerIsNoClosedConnection", "TestACutAnswerWithoutALengthEndsWithAReset"), ""},
		{"U26", "the reason for a 401 on one route is assumed for all routes", by("TestARefusalOfOneRouteIsNotUsedForAnother", "tokens.TestGoodTokenIsRememberedPerMethodAndPath"), ""},
	}
}
