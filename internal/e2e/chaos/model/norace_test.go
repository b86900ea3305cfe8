//go:build !race

package model

const lessFaults = 0
