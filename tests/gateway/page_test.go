package gateway

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// What the page has its reader do with each policy before it is applied.
func TestPodpinCheckTakesTheConfigurationOfEachPolicy(t *testing.T) {
	files, err := filepath.Glob("../../gateway/example/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range files {
		for _, o := range example(t, filepath.Base(file)) {
			if o.kind() != "EnvoyExtensionPolicy" {
				continue
			}
			config, err := json.Marshal(o.plugin().at("config"))
			if err != nil {
				t.Fatal(err)
			}
			command := exec.Command(existing(t, "dist/podpin-check", "make check"), "-")
			command.Stdin = bytes.NewReader(config)
			output, err := command.CombinedOutput()
			if err != nil || !bytes.Contains(output, []byte("serves default/myserver by endpoint in x-podpin-endpoint")) {
				t.Errorf("%s: %v: %s", file, err, output)
			}
			if bytes.Contains(output, []byte("has no effect")) {
				t.Errorf("%s: %s", file, output)
			}
			checked++
		}
	}
	if checked != 3 {
		t.Errorf("%d policies", checked)
	}
}

// Each manifest is on the page, and the page names no other.
func TestThePageNamesEachManifest(t *testing.T) {
	page := content(t, "../../gateway/README.md")
	named := map[string]bool{}
	for _, found := range regexp.MustCompile(`example/([a-z]+\.yaml)`).FindAllStringSubmatch(page, -1) {
		named[found[1]] = true
	}
	files, err := filepath.Glob("../../gateway/example/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !named[filepath.Base(file)] {
			t.Errorf("the page does not name %s", file)
		}
	}
	if len(named) != len(files) {
		t.Errorf("the page names %v", named)
	}
}
