package cli

import (
	"testing"

	"pandadoc-auth-proxy/internal/doctor"
)

func TestDoctorEndsAsStatusDoes(t *testing.T) {
	for _, row := range []struct {
		name string
		in   doctor.Report
		want int
	}{
		{"all is well", doctor.Report{}, exitOK},
		{"only a warning", doctor.Report{Warnings: 1}, exitOK},
		{"a failure", doctor.Report{Failed: 1, Warnings: 1}, exitFailed},
		{"an account without a login", doctor.Report{Failed: 1, Login: true}, exitLoginRequired},
	} {
		check(t, row.name, doctorStatus(row.in), row.want)
	}
}
