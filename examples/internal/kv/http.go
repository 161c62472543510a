package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrNotPut: a process has not put a pair, for the reason in the error. The client may try again.
var ErrNotPut = errors.New("not put")

// putTimeout is the time limit of a put.
const putTimeout = 30 * time.Second

// Serve answers clients until ctx ends:
//
//	PUT /keys/KEY   puts the pair of KEY and the request's body
//	GET /keys/KEY   returns the value, as this process has it now
//	GET /status     returns the Status
func Serve(ctx context.Context, listener net.Listener, store *Store, put func(ctx context.Context, pair Pair) error) error {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /keys/{key}", func(w http.ResponseWriter, r *http.Request) {
		value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPair))
		pair := Pair{Key: r.PathValue("key"), Value: string(value)}
		if err != nil || !pair.Allowed() {
			http.Error(w, fmt.Sprintf("a pair is UTF-8 and takes no more than %d bytes", MaxPair), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), putTimeout)
		defer cancel()
		if err := put(ctx, pair); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /keys/{key}", func(w http.ResponseWriter, r *http.Request) {
		value, ok := store.Get(r.PathValue("key"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, value) // it fails if the client has disconnected
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(store.Status())
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Put puts a pair through the process at an address.
func Put(ctx context.Context, address string, pair Pair) error {
	_, err := do(ctx, http.MethodPut, address, "/keys/"+url.PathEscape(pair.Key), pair.Value)
	return err
}

// Get returns the value of a key at the process at an address.
func Get(ctx context.Context, address, key string) (string, error) {
	return do(ctx, http.MethodGet, address, "/keys/"+url.PathEscape(key), "")
}

// StatusOf returns the status of the process at an address.
func StatusOf(ctx context.Context, address string) (s Status, err error) {
	answer, err := do(ctx, http.MethodGet, address, "/status", "")
	if err == nil {
		err = json.Unmarshal([]byte(answer), &s)
	}
	return s, err
}

func do(ctx context.Context, method, address, path, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch said := strings.TrimSpace(string(text)); {
	case err != nil:
	case answer.StatusCode == http.StatusServiceUnavailable:
		err = fmt.Errorf("%w: %s: %s", ErrNotPut, address, said)
	case answer.StatusCode != http.StatusOK:
		err = fmt.Errorf("%s answered %s: %s", address, answer.Status, said)
	}
	return string(text), err
}
