package hazards

func retryRows() []row {
	return []row{
		{"I1", "a storm of refreshes", by(".TestExpiredTokenCostsOneRefresh", "tokens.TestExpiredTokenIsRefreshedOnceForAll"), ""},
		{"I2", "401s that arrive one after the other cause one refresh each", by(".TestExpiredTokenCostsOneRefresh", "tokens.TestStaggeredRefusalsRefreshOnce"), ""},
		{"I3", "an endless retry", by("proxy.TestA401ThatIsNotRetriedGoesToTheClient", "tokens.TestRefreshThatDidNotHelpIsHeldBack"), ""},
		{"I4", "every request refreshes a dead grant", by("tokens.TestAFailingRefreshIsNotRepeatedTooOften", "tokens.TestRejectedGenerationIsLookedForOnceASecond"), ""},
		{"I5", "403, 404, 429 and 5xx refresh", by("proxy.TestOtherStatusesAreNotRetried"), ""},
		{"I6", "a 401 that is not about the token", by(".TestRouteThatAlwaysRefusesCostsNoRefresh", "proxy.TestA401ThatIsNotRetriedGoesToTheClient"), ""},
		{"I7", "a POST is sent twice", by("TestUpstreamFaults", "TestGoAwayInTheMiddleOfAPost", "proxy.TestBrokenConnectionIsNotTriedAgain"), ""},
		{"I8", "the repeated body differs", by(".TestRefusedUploadIsReplayedWhole", "proxy.TestReplayMatrix", "proxy/spool.FuzzSpool"), ""},
		{"I9", "a body over the limit", by("proxy.TestBodyThatWasNotKept"), ""},
		{"I10", "a 401 before the body is read", by("TestEarlyAnswers", "proxy.TestReplayMatrix", "proxy.TestA401ThatIsNotRetriedInTheMiddleOfAnUpload"), ""},
		{"I11", "a client that leaves cancels the refresh of all", by("tokens.TestAWaiterCanLeaveAndTheRefreshContinues"), ""},
		{"I12", "the token endpoint hangs", by("tokens.TestALateAnswerIsUsed", "internal/e2e/chaos.TestTokenEndpointDown"), ""},
		{"I13", "unusual answers of the token endpoint", by("tokens.TestFailedRefresh", "tokens.TestReadPair", "internal/e2e/chaos.TestAwkwardAnswers"), ""},
		{"I14", "invalid_grant because another process was quicker", by("tokens.TestInvalidGrantAfterAnotherProcessRefreshedIsNoFailure", "tokens.TestRefusalAdoptsWhatAnotherProcessStored"), ""},
		{"I15", "the token endpoint answers invalid_request because of a race, and a retry would help", nil, "only other servers do this; a complete 4xx is a final answer, and the account cools down and recovers"},
		{"I16", "client credentials are sent in two ways", by("tokens.TestTokenRequest"), ""},
		{"I17", "an answer without a refresh token deletes the old one", by("tokens.TestRefreshTokenStaysIfTheAnswerHasNone"), ""},
		{"I18", "unusual expires_in", by("tokens.TestReadPair", "tokens.FuzzReadPair"), ""},
		{"I19", "another token type", by("tokens.TestReadPair"), ""},
		{"I20", "a token that would break a header", by("tokens.TestReadPair", "TestCanary"), ""},
		{"I21", "clocks jump, machines sleep", by("internal/e2e/chaos.TestOwnerStoppedInItsTokenCall", "tokens.TestYearLongTokenIsRefreshedOnItsLastDay"), ""},
		{"I22", "all replicas refresh at once", by("tokens.TestAccountsThatExpireTogetherAreSpread", "tokens.TestReplicasRefreshOncePerWindow"), ""},
		{"I23", "an early refresh that fails removes a good token", by("tokens.TestAFailingRefreshKeepsAWorkingToken"), ""},
	}
}

func storeRows() []row {
	return []row{
		{"J1", "many processes share one store", by("internal/e2e/chaos.TestManyProcessesManyRotations", ".TestTwoProcessesOnOneStoreRotateInTurn"), ""},
		{"J2", "a crash after the answer, before the save", by("internal/e2e/chaos.TestKilledWhileRefreshing", "internal/e2e/chaos/model.TestSearch"), ""},
		{"J3", "a crash in the middle of a write", by("tokens/filestore.TestKilledWhileSaving"), ""},
		{"J4", "a full or read-only disk (no refresh without a marker)", by("tokens/filestore.TestDiskFull", "internal/e2e/chaos.TestDiskFullWhileTheTokenCallRuns", "tokens.TestNoMarkerNoRefresh"), ""},
		{"J5", "a record is a single mounted file, which cannot be replaced", by("tokens/filestore.TestMountedFile"), ""},
		{"J6", "the store is a mounted Secret, which cannot be written, or a volume that is unmounted", by("tokens/filestore.TestReadOnlyPlace", "tokens/filestore.TestUnmountedWhileInUse"), ""},
		{"J7", "a record of a newer program", by("tokens.TestDecodeRefusesNewerSchema", "tokens.TestUnknownFieldsSurvive"), ""},
		{"J8", "a damaged record", by("tokens/filestore.TestDamagedFilesAreRefusedAndLeft", "tokens.FuzzDecodeRecord"), ""},
		{"J9", "the holder of a lock dies", by("tokens/filestore.TestRefreshLockEndsWithItsHolder", "tokens.TestTakeoverOfADeadOwner"), ""},
		{"J10", "a lease shorter than the token call", by("tokens.TestNoTakeoverWhileALeaseIsRenewed", "tokens.TestPairOfASlowOwnerArrivesAfterItsTakeover"), ""},
		{"J11", "a lost update in Kubernetes", by("tokens/kubestore.TestStore", "internal/e2e/chaos.TestMachinesShareOneCredential"), ""},
		{"J12", "too many rights in Kubernetes", by("tokens/kubestore.TestNamedRightsAreEnoughForPreparedSecrets", "tokens/kubestore.TestWrongRightsAndPlaces"), ""},
		{"J13", "other fields of a Secret are lost", by("tokens/kubestore.TestOnlyOurKeyIsTouched", "tokens/kubestore.TestWhatOthersHaveWrittenIsLeftAlone"), ""},
		{"J14", "the API of Kubernetes is down", by("internal/e2e/chaos.TestAnEngineThatHangs", "tokens/kubestore.TestStore"), ""},
		{"J15", "the service account's token rotates", by("tokens/kubestore.TestAPodFindsEverythingByItself"), ""},
		{"J16", "Redis fails over, pauses, evicts", by("tokens/redisstore.TestAFailoverIsFollowedThroughSentinel", "tokens/redisstore.TestEvictionIsRefused", "tokens/redisstore.TestTheErrorNamesAFullMemory", "internal/e2e/chaos.TestRedisIsKilledUnderLoad", "internal/e2e/chaos.TestAnEngineThatHangs"), ""},
		{"J17", "Redis mixes up replies", by("tokens/redisstore.TestStore"), ""},
		{"J18", "Redis loses the last write", by("internal/e2e/chaos.TestAFailoverThatLosesTheNewestPair", "internal/e2e/chaos.TestAPairThatIsLostForGood", "tokens/redisstore.TestASaveWaitsForReplicas"), ""},
		{"J19", "stored tokens are not encrypted", by("internal/e2e/chaos.TestKeysAreReplacedWithoutDowntime", "tokens/filestore.TestStore", "tokens/redisstore.TestStore", "tokens/kubestore.TestStore"), ""},
		{"J20", "two configurations share an account's name in one store", nil, "by design they share the account; give accounts of different owners different names or directories"},
		{"J21", "a restored backup", by("tokens.TestRestoredBackupAfterARestartCostsOneAttempt", "tokens.TestRestoredBackupNeverReplacesALivePair"), ""},
		{"J22", "the old refresh token is kept", by("tokens.TestStoredForm"), ""},
	}
}

func loginRows() []row {
	return []row{
		{"K1", "a page makes the browser send an attacker's code", by("internal/admin.TestWhatEndsNoLogin", "internal/e2e/login.TestAWrongCallbackLeavesTheLoginPending"), ""},
		{"K2", "a forged error ends the login", by("internal/admin.TestWhatEndsNoLogin"), ""},
		{"K3", "a code is used twice", by("internal/admin.TestALoginIsUsedOnce", "internal/e2e/login.TestALoginIsUsedOnce"), ""},
		{"K4", "the code in histories, referrers, logs", by("TestCanary", "internal/admin.TestEveryAnswerIsHardened"), ""},
		{"K5", "a login without PKCE", nil, "PandaDoc does not document PKCE, and a code is bound to the client secret; the state binds it to the browser"},
		{"K6", "the callback stays open, or is open to all", by("internal/e2e/login.TestLoginFromConsentToTheFirstRequest", "TestBeyondLoopbackNeedsAKey"), ""},
		{"K7", "foreign hosts and pages on the callback", by("TestGuardOfTheAdminListener", "internal/cli.TestTheAdminListenerIsGuarded"), ""},
		{"K8", "an authorization code from another server", nil, "there is one server per proxy, and PandaDoc sends no iss"},
		{"K9", "the browser is opened by a shell", by("TestBrowserIsOpenedWithoutAShell"), ""},
		{"K10", "the printed address holds secrets", by("TestBrowserIsOpenedWithoutAShell"), ""},
		{"K11", "a login while the proxy serves", by("tokens.TestLoginDuringARefreshWins"), ""},
	}
}

func consoleRows() []row {
	return []row{
		{"L1", "metrics and health show secrets, or serve everybody", by("TestBeyondLoopbackNeedsAKey", "TestCanary", "internal/admin.TestBeyondLoopbackOnlyProbesAreServed"), ""},
		{"L2", "health does not show if the proxy is usable", by("internal/admin.TestReadyWhileOneAccountIsUsable", "internal/admin.TestHealthAsksNobody"), ""},
		{"L3", "a probe's User-Agent bypasses the guard", by("TestGuard"), ""},
		{"L4", "the emulator in production", by("internal/cli/testdata/script/sandbox.txtar", "internal/sandbox.TestEveryAnswerSaysThatItIsAnEmulator"), ""},
		{"L5", "the emulator is more tolerant than the API", by("internal/sandbox.TestRefreshRotatesBothTokensAtOnce", "internal/sandbox.TestTheAPIRequiresAValidCredential"), ""},
	}
}

func logRows() []row {
	return []row{
		{"M1", "secrets in any log, at any level", by("TestCanary", "tokens.TestSecretsDoNotReachLogs", "internal/cli.TestRedaction"), ""},
		{"M2", "errors repeat a token answer", by("TestCanary", "tokens.TestErrorsShowNoSecret", "tokens.TestRefusalThatNamesTheTokenIsNotRepeated"), ""},
		{"M3", "errors repeat a URL with its query", by("TestUpstreamFaults", "TestCanary"), ""},
		{"M4", "net/http logs bytes from the network", by("TestUnsolicitedBytes", "proxy.TestLogWriterRemovesPayload", "internal/cli.TestLibrariesLogThroughOurs"), ""},
		{"M5", "a request forges log lines", by("TestLogCannotBeForged", "proxy.TestLogCannotBeForged"), ""},
		{"M6", "a debug option logs all traffic", nil, "there is no such option"},
	}
}

func processRows() []row {
	return []row{
		{"N1", "SIGTERM drops requests", by("internal/cli.TestStoppingLetsRequestsFinish", "internal/cli.TestStoppingGoesOnAcceptingForAWhile"), ""},
		{"N2", "SIGTERM during a refresh", by("internal/e2e/chaos.TestTerminatedWithAnUnsavedPair", "tokens.TestCloseWaitsForAnUnsavedRotation"), ""},
		{"N3", "SIGKILL loses a saved login", by(".TestKilledBetweenRequestsNothingIsLost", "internal/e2e/chaos.TestKilledWhileRefreshing"), ""},
		{"N4", "the sidecar and the application start or end in the wrong order", by("internal/e2e/delivery/kubernetes.TestProbesAskWhatTheProgramServes", "internal/e2e/delivery/kubernetes.TestEveryPodIsAllowedByPodSecurityRestricted"), ""},
		{"N5", "the container runs as root, or can write to its root file system", by("internal/e2e/delivery.TestTheImage"), ""},
		{"N6", "names that cannot be resolved", by("TestUpstreamFaults"), ""},
		{"N7", "an idle connection that the API closes", by("proxy.TestBrokenConnectionIsNotTriedAgain"), ""},
		{"N8", "GOAWAY in the middle of a POST", by("TestGoAwayInTheMiddleOfAPost", "TestConnectionsThatNginxEndsCostNoRequest", "proxy.TestWhatTheAPIDidNotProcessIsSentAgain"), ""},
		{"N9", "a misspelled setting is ignored", by("internal/cli/testdata/script/mistakes.txtar"), ""},
		{"N10", "a reload sends tokens elsewhere", nil, "settings are not reloaded; a token goes to the API's origin only (proxy.TestTokenStaysAtTheAPIsOrigin)"},
		{"N11", "a panic ends all requests", by("proxy.TestPanicIsContained"), ""},
		{"N12", "an image without certificate authorities", nil, "needs a container engine; the Dockerfile copies them"},
	}
}

func supplyRows() []row {
	return []row{
		{"O1", "a dependency with a known vulnerability", nil, "govulncheck needs its database, which tests cannot reach"},
		{"O2", "a build that cannot be repeated", by(".ci/run"), ""},
		{"O3", "unsigned releases", nil, "nothing is released yet"},
	}
}
