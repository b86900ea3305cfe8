package config

import (
	"time"
)

// Settings are struct fields with kong's tags. One field defines the flag, its default, its help, the
// environment variable (PANDADOC_ and the flag's name in capitals) and the key in the file. mappers converts
// each text to the type that uses it.
//
// Tags of our own: `empty` marks a setting that may be empty. `narrows` marks a setting that limits what clients may
// do, or protects tokens. An empty value would mean the opposite, so it is refused, also in the environment; the value
// of the tag is what it would mean (by default "allow everything"). Other empty variables count as not set, because
// compose files and charts make such variables. `lines` marks a list that the environment separates by line breaks
// instead of spaces.

// Settings are the settings of serve.
type Settings struct {
	FileSettings     `embed:"" group:"Configuration"`
	ListenSettings   `embed:"" group:"Listening"`
	AdminSettings    `embed:"" group:"Listening"`
	UpstreamSettings `embed:"" group:"PandaDoc"`
	SecretSettings   `embed:"" group:"Secrets"`
	StoreSettings    `embed:"" group:"Tokens"`
	TokenSettings    `embed:"" group:"Tokens"`
	LoginSettings    `embed:"" group:"Signing in"`
	TrafficSettings  `embed:"" group:"Traffic"`
	LogSettings      `embed:"" group:"Log"`
}

// AccountSettings are the settings of the commands that manage accounts.
type AccountSettings struct {
	FileSettings     `embed:"" group:"Configuration"`
	AdminSettings    `embed:"" group:"Listening"`
	UpstreamSettings `embed:"" group:"PandaDoc"`
	SecretSettings   `embed:"" group:"Secrets"`
	StoreSettings    `embed:"" group:"Tokens"`
	LoginSettings    `embed:"" group:"Signing in"`
}

// ProxySettings are the settings of the commands that only talk to a running proxy.
type ProxySettings struct {
	FileSettings  `embed:"" group:"Configuration"`
	AdminSettings `embed:"" group:"Listening"`
}

// SandboxSettings are the settings of the sandbox: no upstream, no store and no secrets, because the sandbox
// must not come near a real account.
type SandboxSettings struct {
	FileSettings    `embed:"" group:"Configuration"`
	ListenSettings  `embed:"" group:"Listening"`
	AdminSettings   `embed:"" group:"Listening"`
	LoginSettings   `embed:"" group:"Signing in"`
	TokenSettings   `embed:"" group:"Tokens"`
	TrafficSettings `embed:"" group:"Traffic"`
	LogSettings     `embed:"" group:"Log"`
}

// FileSettings name the configuration file.
type FileSettings struct {
	Config string `placeholder:"FILE" help:"YAML file with settings. Their names are those of the flags, without the leading dashes. Unknown names are an error."`
}

// ListenSettings are the addresses for clients, and which clients are allowed.
type ListenSettings struct {
	Listen               []string `sep:"none" default:"localhost:8080" placeholder:"ADDRESS" help:"Where to listen: HOST:PORT or unix:/PATH, or NAME=HOST:PORT for one account only. localhost means 127.0.0.1 and ::1, port 0 means any free port. May be repeated (in the environment: separated by spaces)."`
	TLSCert              string   `name:"tls-cert" narrows:"serve without TLS" placeholder:"FILE" help:"Serve https with the certificate chain in this PEM file, which is read again when it changes. Not on unix sockets."`
	TLSKey               string   `name:"tls-key" narrows:"serve without TLS" placeholder:"FILE" help:"The certificate's private key, as PEM."`
	AllowHost            []string `sep:"none" placeholder:"HOST" help:"Accept requests for this host name, in addition to the loopback names. May be repeated."`
	AllowOrigin          []string `sep:"none" placeholder:"ORIGIN" help:"Accept browser requests from pages of this origin, like https://app.example.com. May be repeated."`
	AllowUnauthenticated bool     `default:"false" help:"Allow addresses other than loopback in --listen without client keys. Then anybody who can connect to the port can use the accounts."`
	AdminKeyFile         string   `narrows:"leave the admin listener open" placeholder:"FILE" help:"File with the admin key. The proxy creates the file if it does not exist. The admin listener requires the key if this flag is set, if there are client keys or --require-header, or if --listen has only unix sockets. Default: admin-key in the state directory."`
	RequireHeader        string   `placeholder:"NAME:VALUE" narrows:"" help:"Refuse requests without this header, which is not forwarded. This protects against applications that can be tricked into fetching any URL (SSRF), because they do not send the header."`
	AllowRoute           []string `sep:"none" lines:"" narrows:"" placeholder:"ROUTE" help:"Forward only these requests, like 'GET,HEAD /public/v1/documents*': methods separated by commas (* means all), and a path. In the path, a * at the end matches anything; elsewhere it matches one path segment. May be repeated (in the environment: one per line)."`
	ReadOnly             bool     `default:"false" narrows:"" help:"Forward GET, HEAD and OPTIONS only."`
}

// AdminSettings are the addresses of the admin listener.
type AdminSettings struct {
	AdminSocket string `placeholder:"PATH|none" help:"Unix socket through which commands talk to the running proxy. Default: in the user's runtime, state or temporary directory, the first one that is writable."`
	AdminListen string `default:"localhost:8081" placeholder:"ADDRESS" help:"Where to serve health, status, metrics, the console and the browser login; \"none\" turns this listener off."`
}

// UpstreamSettings are PandaDoc's addresses.
type UpstreamSettings struct {
	Region                string `default:"global" placeholder:"global|eu" help:"The PandaDoc region of the accounts. Sets the three URLs below."`
	APIURL                string `name:"api-url" placeholder:"URL" help:"The API, instead of the region's."`
	AuthorizeURL          string `placeholder:"URL" help:"The consent page, instead of the region's."`
	TokenURL              string `placeholder:"URL" help:"The token endpoint, instead of the region's."`
	APIAddress            string `name:"api-address" placeholder:"HOST:PORT" help:"Connect to this address instead of the one that the hosts file or DNS gives for the API's name."`
	AllowInsecureUpstream bool   `default:"false" help:"Allow plain http to a host that is not loopback. Credentials are then sent unencrypted."`
	CAFile                string `name:"ca-file" placeholder:"FILE" help:"PEM file with certificate authorities to trust, in addition to those of the system."`
}

// SecretSettings are files. The values themselves are never flags: the process list would show them.
type SecretSettings struct {
	ClientIDFile     string `name:"client-id-file" placeholder:"FILE" help:"File with the client id of your PandaDoc application. For the value itself: PANDADOC_CLIENT_ID."`
	ClientSecretFile string `placeholder:"FILE" help:"File with the client secret. For the value itself: PANDADOC_CLIENT_SECRET."`
	RefreshTokenFile string `placeholder:"FILE" help:"File with an initial refresh token. For the value itself: PANDADOC_REFRESH_TOKEN."`
	AccessTokenFile  string `placeholder:"FILE" help:"File with an initial access token. For the value itself: PANDADOC_ACCESS_TOKEN."`
	APIKeyFile       string `name:"api-key-file" placeholder:"FILE" help:"File with an API key, used instead of tokens. For the value itself: PANDADOC_API_KEY."`
}

// StoreSettings choose the token store.
type StoreSettings struct {
	Store             string `default:"file:" placeholder:"STORE" help:"Where tokens are kept: ${stores}."`
	StorePasswordFile string `placeholder:"FILE" help:"File with the password of the store's user, which is read again for each connection."`
	KubernetesURL     string `name:"kubernetes-url" placeholder:"URL" help:"URL of the Kubernetes API server, for a kubernetes: store outside a cluster. In a pod it is found automatically."`
	StoreKeyFile      string `narrows:"store unencrypted tokens" placeholder:"FILE" help:"File with keys that encrypt the tokens in the store, one per line: 32 random bytes in base64. The first key encrypts, all keys decrypt."`
}

// LoginSettings are parameters of the authorization request.
type LoginSettings struct {
	RedirectURL string `name:"redirect-url" placeholder:"URL" help:"The redirect URL registered at PandaDoc. Default: http://localhost:ADMIN-PORT/oauth2/callback."`
	Scope       string `default:"read+write" placeholder:"SCOPE" help:"The OAuth scope that a login requests."`
}

// TokenSettings control when and how tokens are refreshed.
type TokenSettings struct {
	RefreshBefore  time.Duration `default:"24h" placeholder:"TIME" help:"Refresh in the background this long before the token expires, but at most a tenth of its lifetime. A random delay of up to half this time is added, so that accounts do not all refresh at once. 0s: refresh only when a request needs it, because the token has expired or was refused."`
	RefreshTimeout time.Duration `default:"20s" placeholder:"TIME" help:"How long a request waits for a refresh. The refresh itself continues after that."`
	ProbePath      string        `default:"/public/v1/members/current" placeholder:"PATH" empty:"" help:"After a 401, the proxy sends a GET for this path with the same token, to find out if the token is the reason. Empty: skip this check."`
	MaxAccounts    int           `default:"10000" placeholder:"N" help:"How many accounts to keep in memory."`
}

// TrafficSettings are limits for clients and the API.
type TrafficSettings struct {
	ReplayMemory          int64         `type:"size" default:"64KiB" placeholder:"SIZE" help:"How much of a request's body to keep in memory, so that it can be sent again after a 401."`
	ReplayDisk            int64         `type:"size" default:"128MiB" placeholder:"SIZE" help:"The longest request body to keep. What is over --replay-memory is kept in a temporary file."`
	ReplayTotal           int64         `type:"size" default:"1GiB" placeholder:"SIZE" help:"How much to keep for all requests together."`
	TempDir               string        `placeholder:"DIR" help:"Directory for temporary files. Default: the store's directory, else the system's temporary directory."`
	MaxInFlight           int           `default:"1024" placeholder:"N" help:"How many requests to forward at the same time; more are refused with 503."`
	MaxConnections        int           `default:"4096" placeholder:"N" help:"How many client connections to keep open; the limits on open files and memory can lower it. At the limit, a new connection replaces the one that has been idle longest."`
	ClientHeaderTimeout   time.Duration `default:"10s" placeholder:"TIME" help:"How long a client may take to send the header of a request."`
	ClientBodyTimeout     time.Duration `default:"60s" placeholder:"TIME" help:"Answer 408 if a client sends less than a kilobyte of its body in this time."`
	UpstreamHeaderTimeout time.Duration `default:"120s" placeholder:"TIME" help:"How long to wait for the API to begin its answer."`
	DrainMin              time.Duration `default:"0s" placeholder:"TIME" help:"After SIGTERM, keep accepting requests this long."`
	DrainTimeout          time.Duration `default:"25s" placeholder:"TIME" help:"After --drain-min, wait at most this long for running requests to end."`
}

// LogSettings control the log.
type LogSettings struct {
	LogLevel  string `default:"info" placeholder:"LEVEL" help:"error, warning, info, debug or trace."`
	LogFormat string `default:"text" placeholder:"text|json" help:"text for people, json for machines."`
	Pprof     bool   `default:"false" help:"Serve profiles of the running program at /debug/pprof/ on the admin listener."`
}
