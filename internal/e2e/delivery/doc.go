// Package delivery tests what is shipped, where it is shipped to: the container image, the service files
// and the packages. Its tests need tools that not every machine has (buildah, runc, systemd-analyze);
// .ci/run installs them, and elsewhere such a test is skipped and says what it lacks.
package delivery
