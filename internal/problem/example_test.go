package problem_test

import (
	"fmt"

	"pandadoc-auth-proxy/internal/problem"
)

func ExampleOf() {
	p := problem.Of(problem.LoginRequired, "account", "acme", "login", problem.LoginCommand("acme"))
	fmt.Println(p.Status, p.Code)
	fmt.Println(p.Detail)
	fmt.Println("hint:", p.Hint)
	// Output:
	// 502 login-required
	// Nobody is signed in for account acme, or the login has ended.
	// hint: run: pandadoc-auth-proxy login --account acme
}
