package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"pandadoc-auth-proxy/tokens"
)

// maxRecord is far above what a record needs. What is larger is no record.
const maxRecord = 1 << 20

// encode returns the stored form of rec and the record as it will be read. What Load would refuse is
// refused here, before it takes the place of something better.
func encode(rec tokens.Record) (data []byte, written tokens.Record, err error) {
	data, err = tokens.EncodeRecord(rec)
	if err != nil {
		return nil, tokens.Record{}, err
	}
	if len(data) >= maxRecord {
		return nil, tokens.Record{}, fmt.Errorf("token store: the record is too large (%d bytes)", len(data))
	}
	if written, err = tokens.DecodeRecord(data); err != nil {
		return nil, tokens.Record{}, fmt.Errorf("token store: the record could not be read back: %w", err)
	}
	return append(data, '\n'), written, nil
}

// read returns the record in path, or tokens.ErrNotFound.
func (s *Store) read(path string) (tokens.Record, error) {
	data, err := s.contents(path)
	if errors.Is(err, fs.ErrNotExist) {
		return tokens.Record{}, tokens.ErrNotFound
	}
	if err != nil {
		return tokens.Record{}, err
	}
	rec, err := tokens.DecodeRecord(data)
	switch {
	case errors.Is(err, tokens.ErrNewerSchema):
		return tokens.Record{}, &Error{"read", path, err, "use the newer version; the file is left as it is"}
	case err != nil:
		return tokens.Record{}, refuseRecord(path, explain(data, err))
	case rec.Version == "":
		return tokens.Record{}, refuseRecord(path, "not a valid record: version is missing")
	}
	return rec, nil
}

// explain says what is wrong with a damaged record in the words of whoever has to mend it.
func explain(data []byte, err error) string {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return "is empty"
	case len(data) > maxRecord:
		return fmt.Sprintf("is larger than %d bytes", maxRecord)
	case bytes.IndexByte(data, 0) >= 0:
		return "holds zero bytes, as a crash of the machine can leave them"
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return "begins with a byte order mark, as some editors add it"
	}
	return err.Error()
}

// contents returns up to one byte more than a record may have.
func (s *Store) contents(path string) ([]byte, error) {
	f, err := s.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return nil, fail("read", path, err)
	}
	return data, nil
}

// open opens a file of ours for reading, and refuses everything else that can stand in its place.
func (s *Store) open(path string) (*os.File, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, fail("read", path, err)
	}
	if err := checkFile(path, fi); err != nil {
		return nil, err
	}
	if err := s.narrow(path, fi); err != nil {
		return nil, err
	}
	f, err := openShared(path)
	if err != nil {
		return nil, fail("read", path, err)
	}
	return f, nil
}

func checkFile(path string, fi fs.FileInfo) error {
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		return refuseLink(path)
	case !fi.Mode().IsRegular():
		return &Error{"use", path, errors.New("is not a file"), "move it away"}
	case !ours(fi):
		return refuseForeign(path, fi)
	}
	return nil
}

// replace puts data in the place of the account's record. The order is what makes it durable: the new
// content reaches the disk before its name does. lock proves that we are still where we looked.
func replace(dir, account string, data []byte, lock *fileLock) error {
	temp, err := writeTemp(dir, account, data)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, account+recordSuffix)
	if !lock.inPlace() {
		os.Remove(temp)
		return fail("write", path, errReplaced)
	}
	if err := rename(temp, path); err != nil {
		os.Remove(temp)
		return fail("write", path, err)
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	if !lock.inPlace() {
		return fail("write", path, errReplaced)
	}
	return nil
}

// writeTemp writes a new file and returns its path. Nothing is left behind if it fails.
func writeTemp(dir, account string, data []byte) (path string, err error) {
	f, err := os.CreateTemp(dir, account+tempInfix+"*") // O_EXCL, mode 0600
	if err != nil {
		return "", fail("write into", dir, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	// A delayed write error can come as late as this.
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(f.Name())
		return "", fail("write", f.Name(), err)
	}
	return f.Name(), nil
}
