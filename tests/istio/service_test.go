package istio

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const port = 8080

// service makes a Service; with no address, a headless one.
func (c *cluster) service(t *testing.T, name, namespace, address string, number int32, selector map[string]string) {
	t.Helper()
	c.serviceTo(t, name, namespace, address, number, number, selector)
}

// serviceTo makes one whose pods have another port.
func (c *cluster) serviceTo(t *testing.T, name, namespace, address string, number, target int32, selector map[string]string) {
	t.Helper()
	ip := address
	if ip == "" {
		ip = "None"
	}
	create(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: corev1.ServiceSpec{
			ClusterIP: ip, ClusterIPs: []string{ip}, Selector: selector, PublishNotReadyAddresses: address == "",
			Ports: []corev1.ServicePort{{Name: "http-mcp", Port: number, TargetPort: intstr.FromInt32(target), Protocol: corev1.ProtocolTCP}},
		},
	}, c.client.Kube().CoreV1().Services(namespace))
	c.hosts[name+"."+namespace+".svc.cluster.local"] = address
}

// more gives a Service another port.
func (c *cluster) more(t *testing.T, name, namespace string, number int32) {
	t.Helper()
	services := c.client.Kube().CoreV1().Services(namespace)
	service, err := services.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	service = service.DeepCopy()
	service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: "http-more", Port: number, TargetPort: intstr.FromInt32(number), Protocol: corev1.ProtocolTCP})
	create(t, service, services)
}

// endpoint is a pod as EndpointSlices have it.
type endpoint struct {
	pod, address       string
	ready, terminating bool
}

// publish tells which pods are behind a Service.
func (c *cluster) publish(t *testing.T, service, namespace string, number int32, endpoints []endpoint) {
	t.Helper()
	known, err := c.client.Kube().CoreV1().Services(namespace).Get(t.Context(), service, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name, protocol := known.Spec.Ports[0].Name, corev1.ProtocolTCP
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: service, Namespace: namespace, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &number, Protocol: &protocol}},
	}
	for _, endpoint := range endpoints {
		serving := true
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{endpoint.address},
			Conditions: discoveryv1.EndpointConditions{Ready: &endpoint.ready, Serving: &serving, Terminating: &endpoint.terminating},
			Hostname:   &endpoint.pod,
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Name: endpoint.pod, Namespace: namespace},
		})
	}
	create(t, slice, c.client.Kube().DiscoveryV1().EndpointSlices(namespace))
}

// pod makes the object of a pod.
func (c *cluster) pod(t *testing.T, namespace, owner, serviceAccount string, labels map[string]string, endpoint endpoint) {
	t.Helper()
	ready := corev1.ConditionFalse
	if endpoint.ready {
		ready = corev1.ConditionTrue
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: endpoint.pod, Namespace: namespace, Labels: map[string]string{}},
		Spec:       corev1.PodSpec{Hostname: endpoint.pod, Subdomain: owner, ServiceAccountName: serviceAccount},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: endpoint.address, PodIPs: []corev1.PodIP{{IP: endpoint.address}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}},
		},
	}
	for key, value := range labels {
		pod.Labels[key] = value
	}
	if endpoint.terminating {
		now := metav1.Now()
		pod.DeletionTimestamp = &now
		pod.Finalizers = []string{"tests/held"}
	}
	create(t, pod, c.client.Kube().CoreV1().Pods(namespace))
}
