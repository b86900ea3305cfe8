// Package delivery tests the delivered files in their real environment: the container image, the service files
// and the packages. Its tests need tools that not every machine has (buildah, runc, systemd-analyze). .ci/run
// installs them. Without a tool, its tests are skipped with a message.
package delivery
